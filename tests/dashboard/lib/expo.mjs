// Where does a push go in these tests: a stand-in for Expo's service, which answers as it does and keeps what it was sent.

import { createServer } from 'node:http';
import { once } from 'node:events';

export class Expo {
  sent = [];

  /// Starts to listen; gives its URL.
  async start() {
    this.sent = [];
    this.server = createServer(async (request, response) => {
      const chunks = await request.toArray();
      const messages = JSON.parse(Buffer.concat(chunks).toString());
      this.sent.push(...messages);
      const data = messages.map((_message, index) => ({ status: 'ok', id: `ticket-${index}` }));
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ data }));
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  stop() {
    this.server?.close();
  }
}
