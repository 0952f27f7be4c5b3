import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { expect, test } from '../fixtures/test';
import { expectSilence, expectTone } from '../fixtures/tone';

/** The browser's own lines about a server that is away. */
const CONNECTION_ERRORS = /WebSocket|ERR_CONNECTION|Failed to load resource|Failed to fetch/;

test('the server is killed and comes back: the page says so, and is whole again without a reload', async ({ agent, colleague, hotdesk }) => {
  for (const { watch } of [agent, colleague]) watch.allow(CONNECTION_ERRORS);
  await agent.page.evaluate(() => Object.assign(window, { sameDocument: true }));

  await hotdesk.kill();
  await expect(agent.desk.connectionBanner).toBeVisible();
  await expect(agent.desk.connectionBanner).toContainText(/reconnecting|not connected/i);
  await expect(agent.desk.link('events')).not.toHaveAttribute('data-tone', 'good');
  await expect(agent.desk.link('phone')).not.toHaveAttribute('data-tone', 'good');

  await hotdesk.launch();
  await Promise.all([agent.desk.ready(30_000), colleague.desk.ready(30_000)]);
  await expect(agent.desk.connectionBanner).toBeHidden();
  expect(await agent.page.evaluate(() => 'sameDocument' in window)).toBe(true);

  await agent.desk.dial(LINES.bruno);
  await colleague.desk.is('ringing');
  await colleague.desk.answer.click();
  await Promise.all([expectTone(agent.page, colleague.hertz), expectTone(colleague.page, agent.hertz)]);
});

test('a call that the server took with it is ended on the page, not left as a ghost', async ({ agent, hotdesk }) => {
  agent.watch.allow(CONNECTION_ERRORS);
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
  await hotdesk.kill();
  await expect(agent.desk.connectionBanner).toBeVisible();
  await expectSilence(agent.page, 20_000);
  await hotdesk.launch();
  await agent.desk.ready(30_000);
  await agent.desk.is('ready', 30_000);
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
});

test('a server that leaves in order ends its calls first', async ({ agent, colleague, hotdesk }) => {
  for (const { watch } of [agent, colleague]) watch.allow(CONNECTION_ERRORS);
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.answer.click();
  await expectTone(agent.page, colleague.hertz);
  await hotdesk.stop();
  for (const { desk } of [agent, colleague]) await expect(desk.card).toBeHidden();
  await expect(agent.desk.connectionBanner).toBeVisible();
});

test('the page tries again at once when asked', async ({ agent, hotdesk }) => {
  test.slow();
  agent.watch.allow(CONNECTION_ERRORS);
  await hotdesk.kill();
  await expect(agent.desk.connectionBanner).toBeVisible();
  // Each attempt that fails makes the next wait longer. With four seconds to go, one within three was asked for.
  await expect(agent.desk.connectionBanner).toContainText(/Trying again in ([4-9]|1\d) s/, { timeout: 90_000 });
  const timeout = 3_000;
  await Promise.all([
    agent.page.waitForRequest(/\/auth\/check$/, { timeout }),
    agent.page.waitForEvent('websocket', { predicate: (opened) => opened.url().includes('/wssip'), timeout }),
    agent.desk.retryNow.click({ timeout }),
  ]);
  await hotdesk.launch();
  await agent.desk.ready(30_000);
});

test('a reload in a call brings the call back: both hear each other again', async ({ agent, colleague }) => {
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.answer.click();
  await expectTone(colleague.page, agent.hertz);
  await agent.page.reload();
  await agent.desk.is('on-call', 30_000);
  await Promise.all([expectTone(agent.page, colleague.hertz), expectTone(colleague.page, agent.hertz)]);
  await agent.desk.end.click();
  await Promise.all([agent.desk.is('ready', 30_000), colleague.desk.is('ready', 30_000)]);
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.answer.click();
  await Promise.all([expectTone(agent.page, colleague.hertz), expectTone(colleague.page, agent.hertz)]);
});
