// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {IIdentityRegistry} from "./IIdentityRegistry.sol";

/// Which addresses belong to verified persons and organizations, as the agents of the registry say.
contract IdentityRegistry is IIdentityRegistry {
    enum Status { None, Verified, Suspended, Expired, Revoked }

    error NotOwner(address caller);
    error NotAgent(address caller);
    error Registered(address account);
    error NotRegistered(address account);
    error ZeroAddress();
    error StatusRefused(Status status);

    event IdentityStatusChanged(address indexed investorAddress, address indexed identity, Status indexed status);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
    event AgentAdded(address indexed agent);
    event AgentRemoved(address indexed agent);

    struct Entry {
        address identity;
        uint16 country;
        Status status;
        // When it ends by itself; 0: never.
        uint64 validUntil;
    }

    address public owner;
    mapping(address => bool) public isAgent;
    mapping(address => Entry) private entries;

    constructor() {
        owner = msg.sender;
        isAgent[msg.sender] = true;
        emit OwnershipTransferred(address(0), msg.sender);
        emit AgentAdded(msg.sender);
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyAgent() {
        if (!isAgent[msg.sender]) revert NotAgent(msg.sender);
        _;
    }

    modifier onlyRegistered(address account) {
        if (entries[account].status == Status.None) revert NotRegistered(account);
        _;
    }

    function transferOwnership(address next) external onlyOwner {
        emit OwnershipTransferred(owner, next);
        owner = next;
    }

    function addAgent(address agent) external onlyOwner {
        isAgent[agent] = true;
        emit AgentAdded(agent);
    }

    function removeAgent(address agent) external onlyOwner {
        isAgent[agent] = false;
        emit AgentRemoved(agent);
    }

    function registerIdentity(address account, address onChainIdentity, uint16 country) external onlyAgent {
        if (account == address(0) || onChainIdentity == address(0)) revert ZeroAddress();
        if (entries[account].status != Status.None) revert Registered(account);
        entries[account] = Entry(onChainIdentity, country, Status.Verified, 0);
        emit IdentityRegistered(account, onChainIdentity);
        emit IdentityStatusChanged(account, onChainIdentity, Status.Verified);
    }

    function setStatus(address account, Status status, uint64 validUntil) external onlyAgent onlyRegistered(account) {
        if (status == Status.None) revert StatusRefused(status);
        entries[account].status = status;
        entries[account].validUntil = validUntil;
        emit IdentityStatusChanged(account, entries[account].identity, status);
    }

    function updateCountry(address account, uint16 country) external onlyAgent onlyRegistered(account) {
        entries[account].country = country;
        emit CountryUpdated(account, country);
    }

    function deleteIdentity(address account) external onlyAgent onlyRegistered(account) {
        address gone = entries[account].identity;
        delete entries[account];
        emit IdentityRemoved(account, gone);
    }

    function isVerified(address account) external view returns (bool) {
        Entry storage entry = entries[account];
        if (entry.status != Status.Verified) return false;
        return entry.validUntil == 0 || block.timestamp < entry.validUntil;
    }

    function contains(address account) external view returns (bool) {
        return entries[account].status != Status.None;
    }

    function identity(address account) external view returns (address) {
        return entries[account].identity;
    }

    function investorCountry(address account) external view returns (uint16) {
        return entries[account].country;
    }

    function statusOf(address account) external view returns (Status status, uint64 validUntil) {
        return (entries[account].status, entries[account].validUntil);
    }
}
