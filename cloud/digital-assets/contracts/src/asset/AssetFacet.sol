// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {LibDiamond} from "../diamond/LibDiamond.sol";
import {IIdentityRegistry} from "../identity/IIdentityRegistry.sol";
import {LibAsset} from "./LibAsset.sol";

/// What every asset has, whatever its standard: agents, pause, frozen holders and tokens, rules. The names are those of ERC-3643.
contract AssetFacet {
    event AgentAdded(address indexed agent);
    event AgentRemoved(address indexed agent);
    event Paused(address account);
    event Unpaused(address account);
    event AddressFrozen(address indexed account, bool indexed isFrozen, address indexed agent);
    event TokensFrozen(address indexed account, uint256 indexed id, uint256 amount);
    event TokensUnfrozen(address indexed account, uint256 indexed id, uint256 amount);
    event IdentityRegistryAdded(address indexed registry);
    event RulesChanged(uint256 maxBalance, LibAsset.CountryRule countryRule);

    function name() external view returns (string memory) {
        return LibAsset.layout().name;
    }

    function symbol() external view returns (string memory) {
        return LibAsset.layout().symbol;
    }

    function cap() external view returns (uint256) {
        return LibAsset.layout().cap;
    }

    function paused() external view returns (bool) {
        return LibAsset.layout().paused;
    }

    function identityRegistry() external view returns (address) {
        return address(LibAsset.layout().registry);
    }

    function isAgent(address account) external view returns (bool) {
        return LibAsset.layout().agents[account];
    }

    function isFrozen(address account) external view returns (bool) {
        return LibAsset.layout().frozen[account];
    }

    function getFrozenTokens(address account, uint256 id) external view returns (uint256) {
        return LibAsset.layout().frozenTokens[id][account];
    }

    /// What is held of one token: id 0 of what is fungible.
    function holdingOf(address account, uint256 id) external view returns (uint256) {
        return LibAsset.layout().balances[id][account];
    }

    /// How much there is of all tokens together.
    function supply() external view returns (uint256) {
        return LibAsset.layout().totalSupply;
    }

    /// Whether a transfer would be let through; reverts with the reason if not.
    function canTransfer(address from, address to, uint256 id, uint256 amount) external view returns (bool) {
        LibAsset.checkTransfer(from, to, id, amount);
        return true;
    }

    function addAgent(address agent) external {
        LibDiamond.requireOwner();
        LibAsset.layout().agents[agent] = true;
        emit AgentAdded(agent);
    }

    function removeAgent(address agent) external {
        LibDiamond.requireOwner();
        LibAsset.layout().agents[agent] = false;
        emit AgentRemoved(agent);
    }

    function pause() external {
        LibAsset.requireAgent();
        if (LibAsset.layout().paused) revert LibAsset.Paused();
        LibAsset.layout().paused = true;
        emit Paused(msg.sender);
    }

    function unpause() external {
        LibAsset.requireAgent();
        if (!LibAsset.layout().paused) revert LibAsset.NotPaused();
        LibAsset.layout().paused = false;
        emit Unpaused(msg.sender);
    }

    function setAddressFrozen(address account, bool freeze) external {
        LibAsset.requireAgent();
        LibAsset.layout().frozen[account] = freeze;
        emit AddressFrozen(account, freeze, msg.sender);
    }

    function freezePartialTokens(address account, uint256 id, uint256 amount) external {
        LibAsset.requireAgent();
        uint256 free = LibAsset.freeOf(account, id);
        if (amount > free) revert LibAsset.InsufficientFree(account, free, amount);
        LibAsset.layout().frozenTokens[id][account] += amount;
        emit TokensFrozen(account, id, amount);
    }

    function unfreezePartialTokens(address account, uint256 id, uint256 amount) external {
        LibAsset.requireAgent();
        uint256 frozen = LibAsset.layout().frozenTokens[id][account];
        if (amount > frozen) revert LibAsset.InsufficientFree(account, frozen, amount);
        LibAsset.layout().frozenTokens[id][account] = frozen - amount;
        emit TokensUnfrozen(account, id, amount);
    }

    function setIdentityRegistry(IIdentityRegistry registry) external {
        LibDiamond.requireOwner();
        LibAsset.layout().registry = registry;
        emit IdentityRegistryAdded(address(registry));
    }

    /// No more than this for each holder (0: no bound), and holders of some countries only, or of all but some (ISO 3166-1
    /// numeric). These rules take the place of those before.
    function setRules(uint256 maxBalance, LibAsset.CountryRule countryRule, uint16[] calldata countries) external {
        LibDiamond.requireOwner();
        LibAsset.layout().maxBalance = maxBalance;
        LibAsset.setCountries(countryRule, countries);
        emit RulesChanged(maxBalance, countryRule);
    }

    /// Which countries the rules name, and what they say of them.
    function countryRules() external view returns (LibAsset.CountryRule rule, uint16[] memory named) {
        return (LibAsset.layout().countryRule, LibAsset.layout().named);
    }
}
