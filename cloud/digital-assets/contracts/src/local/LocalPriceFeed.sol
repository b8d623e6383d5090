// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// A price feed for local chains, which answers as Chainlink's aggregators do. Its owner says the price.
contract LocalPriceFeed {
    error NotOwner(address caller);

    address public immutable owner;
    uint8 public immutable decimals;
    uint80 private round;
    int256 private answer;
    uint256 private updatedAt;

    constructor(uint8 digits) {
        owner = msg.sender;
        decimals = digits;
    }

    function set(int256 price, uint256 at) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        round += 1;
        answer = price;
        updatedAt = at;
    }

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 price, uint256 startedAt, uint256 at, uint80 answeredInRound)
    {
        return (round, answer, updatedAt, updatedAt, round);
    }
}
