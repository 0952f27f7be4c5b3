import { expect, test, VISITOR_TONE } from '../fixtures/test';
import { expectTone } from '../fixtures/tone';
import { EchoPage } from '../pages/echo';

test('the sound test says that the echo was heard, and with what figures', async ({ hotdesk, seat }) => {
  const { page } = await seat();
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await echo.start.click();
  await expect(echo.main).toHaveAttribute('data-state', 'running');
  await expect(echo.stop).toBeVisible();
  await expect(echo.main).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
  await expect(echo.heard).toHaveAttribute('data-echo', 'yes');
  await expect(echo.result).toHaveText(/\w.*\./);
  for (const light of ['microphone', 'network', 'sound'] as const) {
    await expect(echo.light(light)).toHaveAttribute('data-tone', /^(good|fair)$/);
  }
  await echo.openDetails();
  for (const name of ['Connection set up', 'First sound back', 'Round trip', 'Jitter']) {
    await expect(echo.figure(name), name).toHaveText(/^\d+(\.\d)? ms$/);
  }
  await expect(echo.figure('Packets lost')).toHaveText(/^\d+(\.\d+)?\s?%$/);
  await expect(echo.figure('Echo heard')).toHaveText('yes');
  await expect(echo.runAgain).toBeVisible();
});

test('while the test runs, the own voice comes back', async ({ hotdesk, seat }) => {
  const { page } = await seat();
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await echo.start.click();
  await expectTone(page, VISITOR_TONE, 15_000);
  await expect(echo.sentLevel).toHaveAttribute('aria-valuenow', /[1-9]/);
  await expect(echo.returnedLevel).toHaveAttribute('aria-valuenow', /[1-9]/);
});

test('the test can be stopped and run again', async ({ hotdesk, seat }) => {
  const { page } = await seat();
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await echo.start.click();
  await echo.stop.click();
  await expect(echo.main).not.toHaveAttribute('data-state', 'running');
  await echo.runAgain.or(echo.start).click();
  await expect(echo.main).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
  await expect(echo.heard).toHaveAttribute('data-echo', 'yes');
});

test('a test that is over already is ended without complaint', async ({ hotdesk }) => {
  const answer = await fetch(`${hotdesk.url}/echo/session/${'0'.repeat(32)}`, { method: 'DELETE' });
  expect(answer.status).toBe(204);
});

test('a second test from one address is told to wait, and the first goes on', async ({ hotdesk, seat }) => {
  const [first, second] = [await seat(), await seat()];
  second.watch.allow(/status of 4\d\d|WebSocket connection/);
  const [running, refused] = [new EchoPage(first.page), new EchoPage(second.page)];
  await running.open(hotdesk.url);
  await refused.open(hotdesk.url);
  await running.start.click();
  await expectTone(first.page, VISITOR_TONE, 15_000);
  await refused.start.click();
  await expect(refused.main).toHaveAttribute('data-state', 'failed');
  await expect(refused.result).toHaveText(/another|one test|already/i);
  await expect(running.main).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
  await expect(running.heard).toHaveAttribute('data-echo', 'yes');
});

test('a refused microphone is named, with what to do', async ({ hotdesk, seat }) => {
  const { page } = await seat({ microphone: { kind: 'refused' } });
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await echo.start.click();
  await expect(echo.main).toHaveAttribute('data-state', 'failed');
  await expect(echo.result).toHaveText(/microphone.*(blocked|refused|not allowed|permission)|(blocked|refused|allow).*microphone/i);
  await expect(echo.light('microphone')).toHaveAttribute('data-tone', 'bad');
});

test('a computer without a microphone is told so', async ({ hotdesk, seat }) => {
  const { page } = await seat({ microphone: { kind: 'missing' } });
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await echo.start.click();
  await expect(echo.main).toHaveAttribute('data-state', 'failed');
  await expect(echo.result).toHaveText(/no microphone|microphone (was )?(not )?found|find.*microphone/i);
});
