// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {LibDiamond} from "../diamond/LibDiamond.sol";
import {IDiamondCut, IDiamondLoupe, IERC165} from "../diamond/IDiamond.sol";
import {IIdentityRegistry} from "../identity/IIdentityRegistry.sol";
import {LibAsset} from "./LibAsset.sol";

/// What an asset begins with. It is called by the new diamond, once, when it is made.
contract AssetInit {
    struct Start {
        string name;
        string symbol;
        string uri;
        uint8 decimals;
        uint256 cap;
        uint256 maxBalance;
        address agent;
        // What settles sales for it; nobody if there is none.
        address settlement;
        IIdentityRegistry registry;
        LibAsset.CountryRule countryRule;
        uint16[] countries;
        bytes4[] interfaces;
    }

    function start(Start calldata with) external {
        LibAsset.Layout storage at = LibAsset.layout();
        at.name = with.name;
        at.symbol = with.symbol;
        at.uri = with.uri;
        at.decimals = with.decimals;
        at.cap = with.cap;
        at.maxBalance = with.maxBalance;
        at.registry = with.registry;
        at.agents[with.agent] = true;
        if (with.settlement != address(0)) at.agents[with.settlement] = true;
        LibAsset.setCountries(with.countryRule, with.countries);
        mapping(bytes4 => bool) storage known = LibDiamond.layout().interfaces;
        known[type(IERC165).interfaceId] = true;
        known[type(IDiamondCut).interfaceId] = true;
        known[type(IDiamondLoupe).interfaceId] = true;
        for (uint256 i = 0; i < with.interfaces.length; i++) {
            known[with.interfaces[i]] = true;
        }
    }
}
