// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// What a diamond is made of, and how one looks into it: the names of ERC-2535.
interface IDiamond {
    enum FacetCutAction { Add, Replace, Remove }

    struct FacetCut {
        address facetAddress;
        FacetCutAction action;
        bytes4[] functionSelectors;
    }

    event DiamondCut(FacetCut[] _diamondCut, address _init, bytes _calldata);
}

interface IDiamondCut is IDiamond {
    function diamondCut(FacetCut[] calldata _diamondCut, address _init, bytes calldata _calldata) external;
}

interface IDiamondLoupe {
    struct Facet {
        address facetAddress;
        bytes4[] functionSelectors;
    }

    function facets() external view returns (Facet[] memory facets_);
    function facetFunctionSelectors(address _facet) external view returns (bytes4[] memory selectors_);
    function facetAddresses() external view returns (address[] memory addresses_);
    function facetAddress(bytes4 _selector) external view returns (address facet_);
}

interface IERC165 {
    function supportsInterface(bytes4 interfaceId) external view returns (bool);
}
