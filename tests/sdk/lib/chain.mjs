// A real chain of a test's own, and what a client of it asks that knows nothing of the server: anvil over JSON-RPC.

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './server.mjs';

const START_MILLIS_MAX = 30_000;

const contracts = fileURLToPath(new URL('../../../cloud/digital-assets/contracts/', import.meta.url));
const program = `${contracts}node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil`;

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

export class Chain {
  static id = 31_337;
  /// The key of the first account, which is rich; it is the same on every development chain.
  static richKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';

  static async start() {
    const chain = new Chain();
    const port = await freePort();
    chain.url = `http://127.0.0.1:${port}/`;
    // A block for each transaction, and one each second, as time goes by elsewhere.
    const args = ['--port', port, '--chain-id', Chain.id, '--block-time', '1', '--mixed-mining', '--silent'];
    chain.child = spawn(program, args.map(String), { stdio: 'ignore' });
    children.add(chain.child);
    let fault;
    chain.child.once('error', (error) => (fault = error)).once('close', (code) => (fault ??= new Error(`anvil ended with ${code}`)));
    for (const end = Date.now() + START_MILLIS_MAX; Date.now() < end && !fault; await sleep(25)) {
      if (await chain.ask('eth_chainId').catch(() => undefined)) return chain;
    }
    chain.stop();
    throw new Error('There is no chain', { cause: fault });
  }

  async ask(method, ...params) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const answer = await (await fetch(this.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
    if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  }

  mine = (blocks = 1) => this.ask('anvil_mine', `0x${blocks.toString(16)}`);
  keccak = (hex) => this.ask('web3_sha3', hex);

  /// What tells a contract to do this: `transfer(address,uint256)`; every argument is one word.
  async #input(signature, args) {
    const selector = (await this.keccak(`0x${Buffer.from(signature).toString('hex')}`)).slice(0, 10);
    return selector + args.map(word).join('');
  }

  /// The words that a contract answers, as numbers.
  async call(to, signature, ...args) {
    const answer = await this.ask('eth_call', { to, data: await this.#input(signature, args) }, 'latest');
    return answer.slice(2).match(/.{64}/g).map((hex) => BigInt(`0x${hex}`));
  }

  /// How the chain spells that a contract refuses with this error.
  async refusal(signature, ...args) {
    const input = (await this.#input(signature, args)).slice(2);
    return new RegExp(`${input.slice(0, 8)}: ${input.slice(8)}`);
  }

  /// Sends something from an account that is nobody's here, and gives its receipt.
  async send(transaction) {
    const from = (await this.ask('eth_accounts'))[9];
    const hash = await this.ask('eth_sendTransaction', { from, ...transaction });
    for (const end = Date.now() + START_MILLIS_MAX; Date.now() < end; await sleep(50)) {
      const receipt = await this.ask('eth_getTransactionReceipt', hash);
      if (receipt) return receipt;
    }
    throw new Error(`${hash} is in no block`);
  }

  tell = async (to, signature, ...args) => this.send({ to, data: await this.#input(signature, args) });

  /// Makes one of our contracts; gives its address.
  async make(name, ...args) {
    const { bytecode } = JSON.parse(await readFile(`${contracts}artifacts/${name}.json`, 'utf8'));
    const data = `0x${bytecode.replace(/^0x/, '')}${args.map(word).join('')}`;
    return (await this.send({ data })).contractAddress;
  }

  stop() {
    this.child.kill('SIGKILL');
    children.delete(this.child);
  }
}

/// One word of 32 bytes.
const word = (value) => BigInt(value).toString(16).padStart(64, '0');
