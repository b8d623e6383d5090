// Compiles every contract of src/ and writes what is deployed to artifacts/. With --check nothing is written: it fails if what
// would be written is not what is there. The same sources give the same bytes, as no path and no hash of a text is in them.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const solc = require("solc");

const ROOT = __dirname;
const SOURCES = path.join(ROOT, "src");
const ARTIFACTS = path.join(ROOT, "artifacts");

// What is deployed; libraries and interfaces are within.
const DEPLOYED = [
  "AssetFacet",
  "AssetSettlement",
  "DiamondFacet",
  "DiamondFactory",
  "ERC1155Facet",
  "ERC20Facet",
  "ERC721Facet",
  "IdentityFactory",
  "IdentityRegistry",
  "LocalPriceFeed",
];

function sources(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory()) return sources(at);
    return entry.name.endsWith(".sol") ? [at] : [];
  });
}

function compile() {
  const files = sources(SOURCES).sort();
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(
      files.map((file) => {
        const name = path.relative(SOURCES, file).split(path.sep).join("/");
        return [name, { content: fs.readFileSync(file, "utf8").replaceAll("\r\n", "\n") }];
      }),
    ),
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: "shanghai",
      viaIR: true,
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const faults = (output.errors ?? []).filter((fault) => fault.severity !== "info");
  for (const fault of faults) console.error(fault.formattedMessage);
  if (faults.length > 0) throw new Error(`${faults.length} errors and warnings`);
  return Object.assign({}, ...Object.values(output.contracts));
}

function artifacts() {
  const contracts = compile();
  return DEPLOYED.map((name) => {
    const contract = contracts[name];
    if (!contract) throw new Error(`there is no contract ${name}`);
    // EIP-170 bounds what a chain takes.
    const size = contract.evm.deployedBytecode.object.length / 2;
    if (size > 24576) throw new Error(`${name} has ${size} bytes, and a chain takes 24576`);
    const artifact = { contractName: name, compiler: solc.version(), abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` };
    return [`${name}.json`, `${JSON.stringify(artifact, null, 1)}\n`];
  });
}

const built = artifacts();
if (process.argv.includes("--check")) {
  const wrong = built.filter(([name, text]) => {
    const at = path.join(ARTIFACTS, name);
    return !fs.existsSync(at) || fs.readFileSync(at, "utf8") !== text;
  });
  const known = new Set(built.map(([name]) => name));
  const surplus = fs.readdirSync(ARTIFACTS).filter((name) => !known.has(name));
  for (const name of [...wrong.map(([name]) => name), ...surplus]) console.error(`artifacts/${name} is not of these sources`);
  if (wrong.length + surplus.length > 0) process.exit(1);
  console.log(`${built.length} artefacts are those of the sources`);
} else {
  fs.mkdirSync(ARTIFACTS, { recursive: true });
  for (const [name, text] of built) fs.writeFileSync(path.join(ARTIFACTS, name), text);
  console.log(`${built.length} artefacts written`);
}
