// Serves the page and the SDK to a browser: `npm start [PORT]`. Any web server does.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const files = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/portal.css': ['portal.css', 'text/css'],
  '/portal.mjs': ['portal.mjs', 'text/javascript'],
  '/parse.js': [process.env.PARSE_SDK ?? 'node_modules/parse/dist/parse.min.js', 'text/javascript'],
};

/// The server of the page. It knows these files and no others.
export const pages = createServer(async (request, response) => {
  const [file, type] = files[new URL(request.url, 'http://page').pathname] ?? [];
  if (!file) return response.writeHead(404).end();
  const body = await readFile(new URL(file, import.meta.url));
  response.writeHead(200, { 'Content-Type': type }).end(body);
});

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  pages.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => console.log(`http://127.0.0.1:${pages.address().port}/`));
}
