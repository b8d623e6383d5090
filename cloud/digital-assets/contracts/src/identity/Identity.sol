// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// A person or an organization on the chain: a key that names them elsewhere, and the address that acts for them. Nothing else
/// about them is written here, where it could never be erased.
contract Identity {
    address public immutable factory;
    bytes32 public immutable key;
    address public wallet;

    error NotFactory(address caller);

    event WalletChanged(address indexed previousWallet, address indexed newWallet);

    constructor(bytes32 named, address actsFor) {
        factory = msg.sender;
        key = named;
        wallet = actsFor;
    }

    function setWallet(address next) external {
        if (msg.sender != factory) revert NotFactory(msg.sender);
        emit WalletChanged(wallet, next);
        wallet = next;
    }
}
