// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {LibDiamond} from "../diamond/LibDiamond.sol";
import {IIdentityRegistry} from "../identity/IIdentityRegistry.sol";

/// What all standards of assets share: agents, pause, frozen holders, and the checks of a transfer in the order of ERC-3643.
library LibAsset {
    error NotAgent(address caller);
    error Paused();
    error NotPaused();
    error Frozen(address holder);
    error InsufficientFree(address holder, uint256 free, uint256 wanted);
    error NotVerified(address holder);
    error AboveMaxBalance(address holder, uint256 maxBalance);
    error CountryNotAllowed(address holder, uint16 country);
    error AboveCap(uint256 cap);
    error ZeroAddress();

    /// What the rules say of the countries that they name.
    enum CountryRule { Any, Only, AllBut }

    struct Layout {
        string name;
        string symbol;
        string uri;
        uint8 decimals;
        bool paused;
        CountryRule countryRule;
        IIdentityRegistry registry;
        uint256 cap;
        uint256 maxBalance;
        uint256 totalSupply;
        mapping(address => bool) agents;
        mapping(address => bool) frozen;
        mapping(uint16 => bool) countries;
        // The same as a list, so that other rules can take their place.
        uint16[] named;
        // By token: 0 of what is fungible, the token's id otherwise.
        mapping(uint256 => mapping(address => uint256)) balances;
        mapping(uint256 => mapping(address => uint256)) frozenTokens;
        mapping(uint256 => uint256) supplies;
        // ERC-20
        mapping(address => mapping(address => uint256)) allowances;
        // ERC-721 and ERC-1155
        mapping(address => mapping(address => bool)) operators;
        mapping(uint256 => address) owners;
        mapping(uint256 => address) approved;
        mapping(address => uint256) owned;
    }

    bytes32 private constant SLOT = keccak256("parsimony.asset");

    function layout() internal pure returns (Layout storage at) {
        bytes32 slot = SLOT;
        assembly {
            at.slot := slot
        }
    }

    function requireAgent() internal view {
        if (!layout().agents[msg.sender]) revert NotAgent(msg.sender);
    }

    /// Not paused, neither side frozen, enough that is free, the receiver verified, the rules of compliance.
    function checkTransfer(address from, address to, uint256 id, uint256 amount) internal view {
        Layout storage at = layout();
        if (at.paused) revert Paused();
        if (at.frozen[from]) revert Frozen(from);
        if (at.frozen[to]) revert Frozen(to);
        uint256 free = freeOf(from, id);
        if (amount > free) revert InsufficientFree(from, free, amount);
        requireVerified(to);
        checkCompliance(to, id, amount);
    }

    function freeOf(address holder, uint256 id) internal view returns (uint256) {
        Layout storage at = layout();
        return at.balances[id][holder] - at.frozenTokens[id][holder];
    }

    function requireVerified(address holder) internal view {
        if (holder == address(0)) revert ZeroAddress();
        IIdentityRegistry registry = layout().registry;
        if (address(registry) != address(0) && !registry.isVerified(holder)) revert NotVerified(holder);
    }

    function checkCompliance(address to, uint256 id, uint256 amount) internal view {
        Layout storage at = layout();
        if (at.maxBalance != 0 && at.balances[id][to] + amount > at.maxBalance) {
            revert AboveMaxBalance(to, at.maxBalance);
        }
        if (at.countryRule != CountryRule.Any) {
            // Who is in no registry has no country.
            uint16 country = address(at.registry) == address(0) ? 0 : at.registry.investorCountry(to);
            bool allowed = country != 0 && at.countries[country] == (at.countryRule == CountryRule.Only);
            if (!allowed) revert CountryNotAllowed(to, country);
        }
    }

    /// Which countries the rules name from now on (ISO 3166-1 numeric), in the place of those they named before.
    function setCountries(CountryRule rule, uint16[] memory named) internal {
        Layout storage at = layout();
        for (uint256 i = 0; i < at.named.length; i++) {
            at.countries[at.named[i]] = false;
        }
        at.countryRule = rule;
        at.named = named;
        for (uint256 i = 0; i < named.length; i++) {
            at.countries[named[i]] = true;
        }
    }

    /// Moves, makes (from nobody) or destroys (to nobody). It checks nothing but that the sums hold.
    function move(address from, address to, uint256 id, uint256 amount) internal {
        Layout storage at = layout();
        if (from == address(0)) {
            if (at.cap != 0 && at.totalSupply + amount > at.cap) revert AboveCap(at.cap);
            at.totalSupply += amount;
            at.supplies[id] += amount;
        } else {
            uint256 held = at.balances[id][from];
            if (amount > held) revert InsufficientFree(from, held, amount);
            at.balances[id][from] = held - amount;
            // An agent may take what is frozen; what is left is frozen at most.
            if (at.frozenTokens[id][from] > held - amount) at.frozenTokens[id][from] = held - amount;
        }
        if (to == address(0)) {
            at.totalSupply -= amount;
            at.supplies[id] -= amount;
        } else {
            at.balances[id][to] += amount;
        }
    }
}
