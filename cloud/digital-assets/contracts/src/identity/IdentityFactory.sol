// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {Identity} from "./Identity.sol";
import {IdentityRegistry} from "./IdentityRegistry.sol";

/// Makes the identity of a verified person or organization, and enters it into the registry. The factory has to be an agent of
/// the registry. A key has one identity: what is sent twice is made once.
contract IdentityFactory {
    error NotOwner(address caller);
    error IdentityExists(bytes32 key, address identity);
    error NoIdentity(bytes32 key);

    event IdentityCreated(bytes32 indexed key, address indexed wallet, address indexed identity);
    event IdentityWalletChanged(bytes32 indexed key, address indexed wallet, address indexed identity);
    event IdentityStatusSet(bytes32 indexed key, address indexed wallet, IdentityRegistry.Status indexed status);
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    IdentityRegistry public immutable registry;
    address public owner;
    mapping(bytes32 => Identity) public identityOf;

    constructor(IdentityRegistry enters) {
        registry = enters;
        owner = msg.sender;
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

    function createIdentity(bytes32 key, address wallet, uint16 country) external onlyOwner returns (address made) {
        if (address(identityOf[key]) != address(0)) revert IdentityExists(key, address(identityOf[key]));
        Identity identity = new Identity{salt: key}(key, wallet);
        identityOf[key] = identity;
        made = address(identity);
        registry.registerIdentity(wallet, made, country);
        emit IdentityCreated(key, wallet, made);
    }

    function setStatus(bytes32 key, IdentityRegistry.Status status, uint64 validUntil) external onlyOwner {
        address wallet = known(key).wallet();
        registry.setStatus(wallet, status, validUntil);
        emit IdentityStatusSet(key, wallet, status);
    }

    /// The same person acts from another address from now on; the old one is no longer theirs.
    function changeWallet(bytes32 key, address next) external onlyOwner {
        Identity identity = known(key);
        address previous = identity.wallet();
        uint16 country = registry.investorCountry(previous);
        (IdentityRegistry.Status status, uint64 validUntil) = registry.statusOf(previous);
        registry.deleteIdentity(previous);
        registry.registerIdentity(next, address(identity), country);
        registry.setStatus(next, status, validUntil);
        identity.setWallet(next);
        emit IdentityWalletChanged(key, next, address(identity));
    }

    function known(bytes32 key) private view returns (Identity identity) {
        identity = identityOf[key];
        if (address(identity) == address(0)) revert NoIdentity(key);
    }
}
