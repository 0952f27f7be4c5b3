import { defineConfig } from '@playwright/test';

// Every test starts a server of its own, and a seat starts a browser of its own, since Chromium takes one
// microphone file per process. One worker per two cores keeps sound from stuttering.
export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  fullyParallel: false,
  workers: Number(process.env.HOTDESK_E2E_WORKERS ?? 1),
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  // A loaded machine is slow, not wrong: every wait ends as soon as what it waits for shows.
  timeout: 90_000,
  expect: { timeout: 15_000 },
  use: { screenshot: 'only-on-failure' },
  reporter: [['list'], ['html', { open: 'never' }], ['json', { outputFile: 'test-results/results.json' }]],
});
