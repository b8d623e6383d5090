// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {LibAsset} from "./LibAsset.sol";

interface IERC1155Receiver {
    function onERC1155Received(address operator, address from, uint256 id, uint256 value, bytes calldata data)
        external
        returns (bytes4);

    function onERC1155BatchReceived(
        address operator,
        address from,
        uint256[] calldata ids,
        uint256[] calldata values,
        bytes calldata data
    ) external returns (bytes4);
}

/// ERC-1155 with the URI of its metadata, and what agents do with it.
contract ERC1155Facet {
    error NotApproved(address operator, address holder);
    error LengthsDiffer(uint256 one, uint256 other);
    error UnsafeReceiver(address receiver);

    event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value);
    event TransferBatch(
        address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values
    );
    event ApprovalForAll(address indexed account, address indexed operator, bool approved);

    function balanceOf(address account, uint256 id) public view returns (uint256) {
        return LibAsset.layout().balances[id][account];
    }

    function balanceOfBatch(address[] calldata accounts, uint256[] calldata ids)
        external
        view
        returns (uint256[] memory found)
    {
        if (accounts.length != ids.length) revert LengthsDiffer(accounts.length, ids.length);
        found = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) {
            found[i] = balanceOf(accounts[i], ids[i]);
        }
    }

    function totalSupply(uint256 id) external view returns (uint256) {
        return LibAsset.layout().supplies[id];
    }

    function uri(uint256) external view returns (string memory) {
        return LibAsset.layout().uri;
    }

    function isApprovedForAll(address account, address operator) public view returns (bool) {
        return LibAsset.layout().operators[account][operator];
    }

    function setApprovalForAll(address operator, bool approved) external {
        LibAsset.layout().operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function safeTransferFrom(address from, address to, uint256 id, uint256 value, bytes calldata data) external {
        requireApproved(from);
        send(from, to, id, value);
        if (to.code.length == 0) return;
        bytes4 answer = IERC1155Receiver(to).onERC1155Received(msg.sender, from, id, value, data);
        if (answer != IERC1155Receiver.onERC1155Received.selector) revert UnsafeReceiver(to);
    }

    function safeBatchTransferFrom(
        address from,
        address to,
        uint256[] calldata ids,
        uint256[] calldata values,
        bytes calldata data
    ) external {
        requireApproved(from);
        if (ids.length != values.length) revert LengthsDiffer(ids.length, values.length);
        for (uint256 i = 0; i < ids.length; i++) {
            LibAsset.checkTransfer(from, to, ids[i], values[i]);
            LibAsset.move(from, to, ids[i], values[i]);
        }
        emit TransferBatch(msg.sender, from, to, ids, values);
        if (to.code.length == 0) return;
        bytes4 answer = IERC1155Receiver(to).onERC1155BatchReceived(msg.sender, from, ids, values, data);
        if (answer != IERC1155Receiver.onERC1155BatchReceived.selector) revert UnsafeReceiver(to);
    }

    /// An agent carries out what was decided elsewhere; every check holds all the same.
    function operatorTransfer(address from, address to, uint256 id, uint256 value) external {
        LibAsset.requireAgent();
        send(from, to, id, value);
    }

    function mint(address to, uint256 id, uint256 value) external {
        LibAsset.requireAgent();
        LibAsset.requireVerified(to);
        LibAsset.move(address(0), to, id, value);
        emit TransferSingle(msg.sender, address(0), to, id, value);
    }

    function burn(address from, uint256 id, uint256 value) external {
        LibAsset.requireAgent();
        if (from == address(0)) revert LibAsset.ZeroAddress();
        LibAsset.move(from, address(0), id, value);
        emit TransferSingle(msg.sender, from, address(0), id, value);
    }

    function requireApproved(address from) private view {
        if (msg.sender != from && !isApprovedForAll(from, msg.sender)) revert NotApproved(msg.sender, from);
    }

    function send(address from, address to, uint256 id, uint256 value) private {
        LibAsset.checkTransfer(from, to, id, value);
        LibAsset.move(from, to, id, value);
        emit TransferSingle(msg.sender, from, to, id, value);
    }
}
