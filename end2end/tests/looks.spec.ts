import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { look } from '../fixtures/looks';
import { expect, test } from '../fixtures/test';
import { expectTone } from '../fixtures/tone';
import { DeskPage } from '../pages/desk';
import { EchoPage } from '../pages/echo';
import { LoginPage } from '../pages/login';

// Every page and state at 1280 and 360 px, light and dark: kept as a picture, held against WCAG, and not wider than the screen.

test.slow();

test('the door', async ({ hotdesk, seat }, testInfo) => {
  const { page, watch } = await seat();
  watch.allow(/status of 401/);
  const entrance = new LoginPage(page);
  await entrance.open(hotdesk.url);
  await look(page, 'login', testInfo);
  await entrance.signIn('alice', 'wrong');
  await entrance.error.waitFor();
  await look(page, 'login-refused', testInfo);
});

test('the desk, idle and calling the echo', async ({ agent }, testInfo) => {
  await look(agent.page, 'desk-idle', testInfo);
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
  await look(agent.page, 'desk-on-call', testInfo);
  await agent.desk.keypad.click();
  await agent.desk.press('5');
  await look(agent.page, 'desk-keypad', testInfo);
  await agent.desk.hold.click();
  await agent.desk.is('on-hold');
  await look(agent.page, 'desk-on-hold', testInfo);
  await agent.desk.end.click();
  await agent.desk.is('ready');
  await look(agent.page, 'desk-after-call', testInfo);
});

test('the desk when it rings, on both sides', async ({ agent, colleague }, testInfo) => {
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.is('ringing');
  await look(colleague.page, 'desk-ringing', testInfo);
  await look(agent.page, 'desk-calling', testInfo);
});

test('the desk without its server', async ({ agent, hotdesk }, testInfo) => {
  agent.watch.allow(/WebSocket|ERR_CONNECTION|Failed to (load|fetch)/);
  await hotdesk.kill();
  await agent.desk.connectionBanner.waitFor();
  await look(agent.page, 'desk-server-gone', testInfo);
});

test('the desk without a microphone', async ({ signIn }, testInfo) => {
  const { desk, page } = await signIn('alice', { microphone: { kind: 'refused' } });
  await desk.dial(ECHO_NUMBER);
  await desk.microphoneProblem.waitFor();
  await look(page, 'desk-microphone-refused', testInfo);
});

test('the desk whose phone is in another tab', async ({ agent, hotdesk, seat }, testInfo) => {
  const { page } = await seat({ beside: agent });
  const entrance = new LoginPage(page);
  const second = new DeskPage(page);
  await page.goto(hotdesk.url);
  await entrance.heading.or(second.otherTab).first().waitFor();
  if (await entrance.heading.isVisible()) await entrance.signIn('alice', 'hotdesk');
  await second.otherTab.waitFor();
  await look(page, 'desk-other-tab', testInfo);
});

test('the sound test, from start to result', async ({ hotdesk, seat }, testInfo) => {
  const { page } = await seat();
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await look(page, 'echo-start', testInfo);
  await echo.start.click();
  await expect(echo.main).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
  await look(page, 'echo-done', testInfo);
});

test('the sound test without a microphone', async ({ hotdesk, seat }, testInfo) => {
  const { page } = await seat({ microphone: { kind: 'refused' } });
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await echo.start.click();
  await expect(echo.main).toHaveAttribute('data-state', 'failed');
  await look(page, 'echo-failed', testInfo);
});

test('a page that does not exist says so and leads to the door, a file that does not exist is not found', async ({
  hotdesk,
  seat,
}, testInfo) => {
  const { page, watch } = await seat();
  watch.allow(/status of 404/);
  const shell = await page.goto(`${hotdesk.url}/nothing-here`);
  expect(shell?.status()).toBe(404);
  await expect(page.getByRole('heading', { level: 1, name: 'There is no such page' })).toBeVisible();
  await look(page, 'lost', testInfo);
  await page.getByRole('link', { name: 'Go to the desk' }).click();
  await expect(new LoginPage(page).heading).toBeVisible();
  for (const path of ['/assets/nothing.js', '/xuc/api/2.0/nothing', '/assets/..%2f..%2fCargo.toml']) {
    const answer = await page.request.get(`${hotdesk.url}${path}`);
    expect(answer.status(), path).toBe(404);
  }
});

test('the sample page is announced', async ({ hotdesk, seat }, testInfo) => {
  const { page } = await seat();
  const answer = await page.goto(`${hotdesk.url}/sample`);
  expect(answer?.status()).toBe(200);
  await expect(page.locator('body')).toHaveText(/coming/i);
  await look(page, 'sample', testInfo);
});

test('pages carry a strict policy, and an injected script does not run', async ({ hotdesk, seat }) => {
  const { page, watch } = await seat();
  watch.allow(/content policy|Content Security Policy/i);
  for (const path of ['/', '/echo']) {
    const answer = await page.goto(`${hotdesk.url}${path}`);
    const policy = answer?.headers()['content-security-policy'] ?? '';
    expect(policy).toMatch(/object-src 'none'/);
    expect(policy).toMatch(/base-uri 'none'/);
    expect(policy).toMatch(/frame-ancestors 'none'/);
    expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|\*/);
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.body.append(script);
    });
    expect(await page.evaluate(() => 'injected' in window)).toBe(false);
  }
});
