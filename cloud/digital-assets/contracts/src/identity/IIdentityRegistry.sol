// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// What an asset asks about its holders: the names of ERC-3643.
interface IIdentityRegistry {
    event IdentityRegistered(address indexed investorAddress, address indexed identity);
    event IdentityRemoved(address indexed investorAddress, address indexed identity);
    event CountryUpdated(address indexed investorAddress, uint16 indexed country);

    function isVerified(address userAddress) external view returns (bool);
    function contains(address userAddress) external view returns (bool);
    function identity(address userAddress) external view returns (address);
    function investorCountry(address userAddress) external view returns (uint16);
}
