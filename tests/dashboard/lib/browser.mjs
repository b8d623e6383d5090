// How do the tests get a browser, and a picture of what it shows?

import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

/// A headless Chromium of this machine.
export function launch() {
  // Chromium's sandbox is not for the superuser, who runs the tests in containers.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return puppeteer.launch({ executablePath, args, defaultViewport: { width: 1400, height: 900 } });
}

/// A picture of a page for people, where `PARSIMONY_SCREENSHOTS` names a folder.
export async function picture(page, name) {
  const folder = process.env.PARSIMONY_SCREENSHOTS;
  if (folder) await page.screenshot({ path: join(folder, `${name.replace(/\W+/g, '-')}.png`) });
}
