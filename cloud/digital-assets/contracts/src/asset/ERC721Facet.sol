// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {LibAsset} from "./LibAsset.sol";

interface IERC721Receiver {
    function onERC721Received(address operator, address from, uint256 id, bytes calldata data) external returns (bytes4);
}

/// ERC-721 with the names of its metadata, and what agents do with it.
contract ERC721Facet {
    error NoSuchToken(uint256 id);
    error TokenExists(uint256 id);
    error NotHolder(address account, uint256 id);
    error NotApproved(address operator, uint256 id);
    error UnsafeReceiver(address receiver);

    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

    function balanceOf(address account) external view returns (uint256) {
        if (account == address(0)) revert LibAsset.ZeroAddress();
        return LibAsset.layout().owned[account];
    }

    function ownerOf(uint256 id) public view returns (address holder) {
        holder = LibAsset.layout().owners[id];
        if (holder == address(0)) revert NoSuchToken(id);
    }

    function totalSupply() external view returns (uint256) {
        return LibAsset.layout().totalSupply;
    }

    /// The base and the id.
    function tokenURI(uint256 id) external view returns (string memory) {
        ownerOf(id);
        string memory base = LibAsset.layout().uri;
        return bytes(base).length == 0 ? "" : string.concat(base, decimal(id));
    }

    function getApproved(uint256 id) external view returns (address) {
        ownerOf(id);
        return LibAsset.layout().approved[id];
    }

    function isApprovedForAll(address account, address operator) public view returns (bool) {
        return LibAsset.layout().operators[account][operator];
    }

    function approve(address to, uint256 id) external {
        address holder = ownerOf(id);
        if (msg.sender != holder && !isApprovedForAll(holder, msg.sender)) revert NotApproved(msg.sender, id);
        LibAsset.layout().approved[id] = to;
        emit Approval(holder, to, id);
    }

    function setApprovalForAll(address operator, bool approved) external {
        LibAsset.layout().operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function transferFrom(address from, address to, uint256 id) public {
        requireApproved(id);
        send(from, to, id);
    }

    function safeTransferFrom(address from, address to, uint256 id) external {
        safeTransferFrom(from, to, id, "");
    }

    function safeTransferFrom(address from, address to, uint256 id, bytes memory data) public {
        transferFrom(from, to, id);
        if (to.code.length == 0) return;
        bytes4 answer = IERC721Receiver(to).onERC721Received(msg.sender, from, id, data);
        if (answer != IERC721Receiver.onERC721Received.selector) revert UnsafeReceiver(to);
    }

    /// An agent carries out what was decided elsewhere; every check holds all the same.
    function operatorTransfer(address from, address to, uint256 id) external {
        LibAsset.requireAgent();
        send(from, to, id);
    }

    function mint(address to, uint256 id) external {
        LibAsset.requireAgent();
        LibAsset.requireVerified(to);
        if (LibAsset.layout().owners[id] != address(0)) revert TokenExists(id);
        hand(address(0), to, id);
    }

    function burn(uint256 id) external {
        LibAsset.requireAgent();
        hand(ownerOf(id), address(0), id);
    }

    function requireApproved(uint256 id) private view {
        address holder = ownerOf(id);
        LibAsset.Layout storage at = LibAsset.layout();
        if (msg.sender == holder || at.approved[id] == msg.sender || at.operators[holder][msg.sender]) return;
        revert NotApproved(msg.sender, id);
    }

    function send(address from, address to, uint256 id) private {
        if (ownerOf(id) != from) revert NotHolder(from, id);
        LibAsset.checkTransfer(from, to, id, 1);
        hand(from, to, id);
    }

    function hand(address from, address to, uint256 id) private {
        LibAsset.Layout storage at = LibAsset.layout();
        LibAsset.move(from, to, id, 1);
        if (from != address(0)) at.owned[from] -= 1;
        if (to != address(0)) at.owned[to] += 1;
        at.owners[id] = to;
        delete at.approved[id];
        emit Transfer(from, to, id);
    }

    function decimal(uint256 number) private pure returns (string memory) {
        if (number == 0) return "0";
        uint256 length = 0;
        for (uint256 rest = number; rest != 0; rest /= 10) length++;
        bytes memory text = new bytes(length);
        for (; number != 0; number /= 10) text[--length] = bytes1(uint8(48 + number % 10));
        return string(text);
    }
}
