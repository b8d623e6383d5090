// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {Diamond} from "./diamond/Diamond.sol";
import {IDiamond} from "./diamond/IDiamond.sol";
import {AssetInit} from "./asset/AssetInit.sol";
import {LibAsset} from "./asset/LibAsset.sol";
import {IIdentityRegistry} from "./identity/IIdentityRegistry.sol";

/// Makes a diamond for each asset. An asset has a key, and its address follows from the key: what is sent twice is made once.
contract DiamondFactory {
    enum Standard { ERC20, ERC721, ERC1155, ERC3643 }

    error NotOwner(address caller);
    error AssetExists(bytes32 key, address asset);
    error StandardNotReady(Standard standard);
    error RegistryMissing();

    event AssetDeployed(bytes32 indexed key, address indexed asset, Standard indexed standard);
    event StandardSet(Standard indexed standard, uint256 facets);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    struct Asset {
        string name;
        string symbol;
        string uri;
        uint8 decimals;
        uint256 cap;
        uint256 maxBalance;
        IIdentityRegistry registry;
        // An agent besides the owner: what settles sales, or nobody.
        address settlement;
        LibAsset.CountryRule countryRule;
        uint16[] countries;
    }

    struct Template {
        IDiamond.FacetCut[] cuts;
        bytes4[] interfaces;
    }

    address public owner;
    AssetInit public immutable init;
    mapping(bytes32 => address) public assetOf;
    mapping(Standard => Template) private templates;

    constructor() {
        owner = msg.sender;
        init = new AssetInit();
        emit OwnershipTransferred(address(0), msg.sender);
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    function transferOwnership(address next) external onlyOwner {
        emit OwnershipTransferred(owner, next);
        owner = next;
    }

    /// Which facets an asset of this standard begins with. Assets that are there already stay as they are.
    function setStandard(Standard standard, IDiamond.FacetCut[] calldata cuts, bytes4[] calldata interfaces)
        external
        onlyOwner
    {
        Template storage template = templates[standard];
        delete template.cuts;
        for (uint256 i = 0; i < cuts.length; i++) {
            template.cuts.push(cuts[i]);
        }
        template.interfaces = interfaces;
        emit StandardSet(standard, cuts.length);
    }

    /// Makes the asset of this key. Its owner and first agent is who calls.
    function deploy(bytes32 key, Standard standard, Asset calldata asset) external onlyOwner returns (address made) {
        if (assetOf[key] != address(0)) revert AssetExists(key, assetOf[key]);
        Template storage template = templates[standard];
        if (template.cuts.length == 0) revert StandardNotReady(standard);
        bool asks = standard == Standard.ERC3643 || asset.countryRule != LibAsset.CountryRule.Any;
        if (asks && address(asset.registry) == address(0)) revert RegistryMissing();
        Diamond diamond = new Diamond{salt: key}();
        made = address(diamond);
        assetOf[key] = made;
        AssetInit.Start memory start = AssetInit.Start(
            asset.name,
            asset.symbol,
            asset.uri,
            asset.decimals,
            asset.cap,
            asset.maxBalance,
            msg.sender,
            asset.settlement,
            asset.registry,
            asset.countryRule,
            asset.countries,
            template.interfaces
        );
        diamond.begin(template.cuts, msg.sender, address(init), abi.encodeCall(AssetInit.start, (start)));
        emit AssetDeployed(key, made, standard);
    }

    /// Where the asset of this key is, or will be.
    function addressOf(bytes32 key) external view returns (address) {
        bytes32 code = keccak256(type(Diamond).creationCode);
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), key, code)))));
    }
}
