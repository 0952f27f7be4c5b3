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
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [['list'], ['html', { open: 'never' }], ['json', { outputFile: 'test-results/results.json' }]],
});
