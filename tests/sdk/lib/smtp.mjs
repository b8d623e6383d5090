// Where do a test's letters go: to a mail server that keeps them, spoken to over real SMTP.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const ARRIVAL_MILLIS_MAX = 20_000;

export class MailSink {
  letters = [];

  static async start() {
    const sink = new MailSink();
    sink.server = createServer((socket) => sink.#converse(socket).catch(() => socket.destroy()));
    sink.server.listen(0, '127.0.0.1');
    await once(sink.server, 'listening');
    return sink;
  }

  /// The option `parsimony.mail` that leads here.
  get option() {
    return { from: 'Tests <tests@example.org>', smtp: { url: `smtp://127.0.0.1:${this.server.address().port}?tls=off` } };
  }

  async #converse(socket) {
    const say = (text) => socket.write(`${text}\r\n`);
    let [to, lines] = [[], undefined];
    say('220 sink');
    for await (const line of createInterface({ input: socket, crlfDelay: Infinity })) {
      if (lines && line === '.') {
        this.letters.push(read(to, lines.join('\n')));
        [to, lines] = [[], undefined];
        say('250 taken');
      } else if (lines) {
        lines.push(line.replace(/^\./, ''));
      } else if (/^RCPT TO:/i.test(line)) {
        to.push(line.match(/<(.*)>/)[1]);
        say('250 who else');
      } else if (/^DATA$/i.test(line)) {
        lines = [];
        say('354 go on');
      } else {
        say('250 sink');
      }
    }
  }

  /// Waits for the next letter to this address, and takes it.
  async next(address) {
    for (const end = Date.now() + ARRIVAL_MILLIS_MAX; Date.now() < end; await sleep(10)) {
      const index = this.letters.findIndex(({ to }) => to.includes(address));
      if (index >= 0) return this.letters.splice(index, 1)[0];
    }
    throw new Error(`no letter to ${address}; there are: ${JSON.stringify(this.letters)}`);
  }

  stop() {
    this.server.close();
  }
}

function read(to, text) {
  const [head, ...body] = text.split('\n\n');
  const header = (name) => head.match(new RegExp(`^${name}: (.*)$`, 'im'))?.[1];
  let said = body.join('\n\n');
  if (header('Content-Transfer-Encoding') === 'quoted-printable') {
    const bytes = said.replace(/=\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    said = Buffer.from(bytes, 'latin1').toString();
  }
  return { to, id: header('Message-ID'), subject: header('Subject'), text: said, token: said.match(/token=(\w+)/)?.[1] };
}
