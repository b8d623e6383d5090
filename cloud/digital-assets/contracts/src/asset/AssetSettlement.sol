// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// Moves tokens of several assets, all of them or none: how a sale is settled whose price is another asset. It is an agent of
/// these assets, and does nothing else with them; every check of a transfer holds.
contract AssetSettlement {
    error NotOperator(address caller);
    error NotAnAsset(address asset);
    error NotATransfer(bytes4 selector);

    event OperatorChanged(address indexed previousOperator, address indexed newOperator);
    event Settled(bytes32 indexed key, uint256 legs);

    struct Leg {
        address asset;
        // A call of `operatorTransfer`.
        bytes input;
    }

    bytes4 private constant ONE_TOKEN = bytes4(keccak256("operatorTransfer(address,address,uint256)"));
    bytes4 private constant MANY_TOKENS = bytes4(keccak256("operatorTransfer(address,address,uint256,uint256)"));

    address public operator;

    constructor() {
        operator = msg.sender;
        emit OperatorChanged(address(0), msg.sender);
    }

    modifier onlyOperator() {
        if (msg.sender != operator) revert NotOperator(msg.sender);
        _;
    }

    function setOperator(address next) external onlyOperator {
        emit OperatorChanged(operator, next);
        operator = next;
    }

    /// Does every leg, or reverts with the reason of the first that cannot be.
    function settle(bytes32 key, Leg[] calldata legs) external onlyOperator {
        for (uint256 i = 0; i < legs.length; i++) {
            transfer(legs[i]);
        }
        emit Settled(key, legs.length);
    }

    function transfer(Leg calldata leg) private {
        bytes4 selector = bytes4(leg.input);
        if (selector != ONE_TOKEN && selector != MANY_TOKENS) revert NotATransfer(selector);
        if (leg.asset.code.length == 0) revert NotAnAsset(leg.asset);
        (bool done, bytes memory reason) = leg.asset.call(leg.input);
        if (done) return;
        assembly {
            revert(add(reason, 32), mload(reason))
        }
    }
}
