// How is Parse Dashboard driven: the dashboard as a process of its own, a headless Chromium, and what a person does in it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../sdk/lib/server.mjs';
import { launch, picture } from './browser.mjs';

const START_MILLIS_MAX = 30_000;
const FOUND_MILLIS_MAX = 10_000;

const program = fileURLToPath(new URL('../node_modules/parse-dashboard/bin/parse-dashboard', import.meta.url));
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/// The dashboard of one server, and the browser that shows it.
export class Dashboard {
  /// What went wrong without anybody asking: errors of the page, and refusals of the server.
  faults = [];

  static async open(server) {
    const dashboard = new Dashboard();
    await dashboard.#start(server);
    await dashboard.#browse(server);
    return dashboard;
  }

  async #start(server) {
    this.port = await freePort();
    this.url = `http://localhost:${this.port}/apps/Shop`;
    const config = join(server.folder, 'dashboard.json');
    const app = { appName: 'Shop', serverURL: server.url, appId: server.appId, masterKey: server.masterKey, enableSecurityChecks: true };
    await writeFile(config, JSON.stringify({ apps: [app] }));
    this.child = spawn(process.execPath, [program, '--config', config, '--port', this.port, '--host', '127.0.0.1']);
    children.add(this.child);
    for (const end = Date.now() + START_MILLIS_MAX; Date.now() < end; await sleep(100)) {
      if ((await fetch(`http://127.0.0.1:${this.port}/`).catch(() => undefined))?.ok) return;
    }
    throw new Error('Parse Dashboard does not start');
  }

  async #browse(server) {
    this.browser = await launch();
    this.page = await this.browser.newPage();
    this.page.setDefaultTimeout(FOUND_MILLIS_MAX);
    // "Leave this page?"
    this.page.on('dialog', (dialog) => dialog.accept());
    this.page.on('pageerror', (error) => this.faults.push(`the page: ${error}`));
    this.page.on('response', async (answer) => {
      if (!answer.url().startsWith(server.url) || answer.status() < 400) return;
      const text = await answer.text().catch(() => '');
      this.faults.push(`${answer.url().slice(server.url.length)} ${answer.status()} ${text}`);
    });
  }

  async close() {
    await this.browser?.close();
    this.child?.kill('SIGKILL');
  }

  /// Opens a page by its path below the app, such as `browser/Toy`.
  async open(path) {
    await this.page.goto(`${this.url}/${path}`, { waitUntil: 'networkidle2', timeout: START_MILLIS_MAX });
  }

  /// The last visible element whose own text is this, once there is one.
  async find(text) {
    const path = `::-p-xpath(//*[text()[normalize-space(.)=${JSON.stringify(text)}]])`;
    return this.#last(path, `an element that says ${text}`);
  }

  /// The last visible element that a selector finds.
  async #last(selector, what) {
    for (const end = Date.now() + FOUND_MILLIS_MAX; Date.now() < end; await sleep(50)) {
      for (const element of (await this.page.$$(selector)).reverse()) {
        if (await element.isVisible()) return element;
      }
    }
    throw new Error(`there is no ${what} on the page:\n${await this.text()}`);
  }

  /// Clicks what says this.
  async press(text) {
    await (await this.find(text)).click();
    // Menus and dialogs fly in; what flies cannot be hit.
    await sleep(300);
  }

  /// Clicks the arrow of the cell that says this.
  async follow(text) {
    const cell = await this.find(text);
    const arrow = await cell.evaluateHandle((element) => element.closest(':has(svg)').querySelector('svg'));
    await arrow.click();
  }

  /// Ticks a box, or takes its tick away, by the words of its row and its column.
  async tick(row, column) {
    const path = `::-p-xpath(//*[text()="${row}"]/..//*[text()="${column}"]/following-sibling::*)`;
    await (await this.#last(path, `box ${row} ${column}`)).click();
  }

  /// Clicks the circle beside the first thing that says this.
  async choose(text) {
    const row = await this.page.waitForSelector(`::-p-xpath(//*[text()=${JSON.stringify(text)}])`);
    const circle = await row.evaluateHandle((element) => element.closest(':has([class*=radio i], input[type=radio])') ?? element.parentElement);
    await circle.click();
    await sleep(300);
  }

  /// Opens the menu in the row of this label.
  async menu(label) {
    const row = await (await this.find(label)).evaluateHandle((element) => {
      let row = element;
      while (row.getBoundingClientRect().width < 500) row = row.parentElement;
      return row;
    });
    const { x, y, width, height } = await row.boundingBox();
    await this.page.mouse.click(x + width * 0.9, y + height / 2);
    await sleep(300);
  }

  /// Types into the field with this placeholder.
  async fill(placeholder, text) {
    const field = await this.#last(`input[placeholder^=${JSON.stringify(placeholder)}], textarea[placeholder^=${JSON.stringify(placeholder)}]`, `field for ${placeholder}`);
    await this.write(field, text);
  }

  /// Types into a field, in the place of what is there.
  async write(field, text) {
    await field.click();
    await this.page.keyboard.down('Control');
    await this.page.keyboard.press('a');
    await this.page.keyboard.up('Control');
    await this.page.keyboard.type(text);
  }

  /// Changes the value of the cell that shows `before`.
  async edit(before, after) {
    await (await this.find(before)).click({ count: 2, delay: 30 });
    await sleep(300);
    await this.page.keyboard.down('Control');
    await this.page.keyboard.press('a');
    await this.page.keyboard.up('Control');
    await this.page.keyboard.type(after);
    await this.page.keyboard.press('Enter');
  }

  /// Visible text fields, from left to right and down.
  async fields() {
    const visible = [];
    for (const field of await this.page.$$('input:not([type=checkbox])')) if (await field.isVisible()) visible.push(field);
    return visible;
  }

  text() {
    return this.page.evaluate(() => document.body.innerText);
  }

  /// Waits until the page says this.
  async says(text) {
    await this.until(async () => (await this.text()).includes(text), `the page says ${text}`);
  }

  /// Waits until something is so.
  async until(check, what) {
    for (const end = Date.now() + FOUND_MILLIS_MAX; Date.now() < end; await sleep(50)) if (await check()) return;
    assert.fail(`in vain: ${what}\n${await this.text()}`);
  }

  /// Nothing has gone wrong since the last look.
  clean() {
    assert.deepEqual(this.faults.splice(0), []);
  }

  /// A picture for people.
  picture(name) {
    return picture(this.page, name);
  }
}
