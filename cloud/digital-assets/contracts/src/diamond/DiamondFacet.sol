// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {IDiamondCut, IDiamondLoupe, IERC165} from "./IDiamond.sol";
import {LibDiamond} from "./LibDiamond.sol";

/// What every diamond answers about itself: its facets, its interfaces, its owner; and how the owner changes them.
contract DiamondFacet is IDiamondCut, IDiamondLoupe, IERC165 {
    function diamondCut(FacetCut[] calldata cuts, address init, bytes calldata data) external {
        LibDiamond.requireOwner();
        LibDiamond.cut(cuts, init, data);
    }

    function owner() external view returns (address) {
        return LibDiamond.layout().owner;
    }

    function transferOwnership(address next) external {
        LibDiamond.requireOwner();
        LibDiamond.setOwner(next);
    }

    function supportsInterface(bytes4 interfaceId) external view returns (bool) {
        return LibDiamond.layout().interfaces[interfaceId];
    }

    function facetAddress(bytes4 selector) external view returns (address) {
        return LibDiamond.layout().routes[selector].facet;
    }

    function facetAddresses() public view returns (address[] memory found) {
        LibDiamond.Layout storage at = LibDiamond.layout();
        uint256 count = at.selectors.length;
        found = new address[](count);
        uint256 length = 0;
        for (uint256 i = 0; i < count; i++) {
            address facet = at.routes[at.selectors[i]].facet;
            if (!contains(found, length, facet)) found[length++] = facet;
        }
        assembly {
            mstore(found, length)
        }
    }

    function facetFunctionSelectors(address facet) public view returns (bytes4[] memory found) {
        LibDiamond.Layout storage at = LibDiamond.layout();
        uint256 count = at.selectors.length;
        found = new bytes4[](count);
        uint256 length = 0;
        for (uint256 i = 0; i < count; i++) {
            if (at.routes[at.selectors[i]].facet == facet) found[length++] = at.selectors[i];
        }
        assembly {
            mstore(found, length)
        }
    }

    function facets() external view returns (Facet[] memory found) {
        address[] memory addresses = facetAddresses();
        found = new Facet[](addresses.length);
        for (uint256 i = 0; i < addresses.length; i++) {
            found[i] = Facet(addresses[i], facetFunctionSelectors(addresses[i]));
        }
    }

    function contains(address[] memory list, uint256 length, address one) private pure returns (bool) {
        for (uint256 i = 0; i < length; i++) {
            if (list[i] == one) return true;
        }
        return false;
    }
}
