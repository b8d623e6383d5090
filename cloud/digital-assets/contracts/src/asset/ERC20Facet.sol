// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {LibAsset} from "./LibAsset.sol";

/// ERC-20, and what agents do with it. With a registry of identities in its asset it is the token of ERC-3643.
contract ERC20Facet {
    error InsufficientAllowance(address spender, uint256 allowed, uint256 wanted);

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    function decimals() external view returns (uint8) {
        return LibAsset.layout().decimals;
    }

    function totalSupply() external view returns (uint256) {
        return LibAsset.layout().totalSupply;
    }

    function balanceOf(address account) external view returns (uint256) {
        return LibAsset.layout().balances[0][account];
    }

    function allowance(address owner, address spender) external view returns (uint256) {
        return LibAsset.layout().allowances[owner][spender];
    }

    function approve(address spender, uint256 value) external returns (bool) {
        LibAsset.layout().allowances[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        send(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = LibAsset.layout().allowances[from][msg.sender];
        if (value > allowed) revert InsufficientAllowance(msg.sender, allowed, value);
        if (allowed != type(uint256).max) LibAsset.layout().allowances[from][msg.sender] = allowed - value;
        send(from, to, value);
        return true;
    }

    /// An agent carries out what was decided elsewhere; every check holds all the same.
    function operatorTransfer(address from, address to, uint256 value) external {
        LibAsset.requireAgent();
        send(from, to, value);
    }

    /// An agent moves tokens whatever the holder's state; the receiver has to be verified.
    function forcedTransfer(address from, address to, uint256 value) external returns (bool) {
        LibAsset.requireAgent();
        LibAsset.requireVerified(to);
        LibAsset.move(from, to, 0, value);
        emit Transfer(from, to, value);
        return true;
    }

    function mint(address to, uint256 value) external {
        LibAsset.requireAgent();
        LibAsset.requireVerified(to);
        LibAsset.move(address(0), to, 0, value);
        emit Transfer(address(0), to, value);
    }

    function burn(address from, uint256 value) external {
        LibAsset.requireAgent();
        if (from == address(0)) revert LibAsset.ZeroAddress();
        LibAsset.move(from, address(0), 0, value);
        emit Transfer(from, address(0), value);
    }

    function send(address from, address to, uint256 value) private {
        LibAsset.checkTransfer(from, to, 0, value);
        LibAsset.move(from, to, 0, value);
        emit Transfer(from, to, value);
    }
}
