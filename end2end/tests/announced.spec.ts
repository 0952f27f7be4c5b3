import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { expect, test } from '../fixtures/test';
import { expectTone } from '../fixtures/tone';
import { EchoPage } from '../pages/echo';

// What somebody who does not see the page hears of it, and where the focus is when what had it has gone.

test('the loss of the server is spoken, and so is its return', async ({ agent, hotdesk }) => {
  agent.watch.allow(/WebSocket|ERR_CONNECTION|Failed to load resource|Failed to fetch/);
  await hotdesk.kill();
  await expect(agent.desk.urgent).toContainText('Reconnecting…');
  await hotdesk.launch();
  await expect(agent.desk.polite).toContainText('Connected again.', { timeout: 30_000 });
});

test('a press that does nothing says why, to eyes and ears', async ({ agent }) => {
  await agent.page.keyboard.press('Control+Shift+E');
  const toasts = agent.page.getByRole('region', { name: 'New notices' });
  await expect(toasts).toContainText('There is no call for that.');
  await expect(agent.desk.polite).toContainText('There is no call for that.');
  await agent.page.keyboard.press('Control+Shift+E');
  await expect(toasts.getByText('There is no call for that.')).toHaveCount(1);
});

test('the focus goes with the call: into its card at the answer, to the heading at the end', async ({ agent, colleague }) => {
  await expect(agent.desk.heading).toBeFocused();
  await colleague.desk.dial(LINES.alice);
  await agent.desk.is('ringing');
  await agent.desk.answer.focus();
  await agent.page.keyboard.press('Enter');
  await agent.desk.is('on-call');
  await expect(agent.desk.card).toBeFocused();
  await agent.desk.keypad.focus();
  await agent.page.keyboard.press('Enter');
  await expect(agent.page.getByRole('group', { name: 'Call keypad' }).getByRole('button').first()).toBeFocused();
  await colleague.desk.end.click();
  await agent.desk.is('ready');
  await expect(agent.desk.heading).toBeFocused();
});

test('the shortcuts open with Ctrl and /, and give the focus back', async ({ agent }) => {
  const list = agent.page.getByRole('dialog', { name: 'Keyboard shortcuts' });
  await agent.desk.heading.focus();
  await agent.page.keyboard.press('?');
  await expect(list).toBeHidden();
  await agent.page.getByRole('button', { name: /^Account/ }).click();
  await agent.page.getByRole('button', { name: 'Keyboard shortcuts', exact: true }).click();
  await expect(list).toBeVisible();
  await agent.page.keyboard.press('Escape');
  await expect(agent.page.getByRole('button', { name: /^Account/ })).toBeFocused();
  await agent.page.keyboard.press('Control+/');
  await expect(list).toBeVisible();
});

test('the call bar stays where it is when the sound comes', async ({ agent }) => {
  await agent.desk.dial(ECHO_NUMBER);
  await agent.desk.card.waitFor();
  const before = await agent.desk.end.boundingBox();
  await expectTone(agent.page, agent.hertz);
  expect(await agent.desk.end.boundingBox()).toEqual(before);
});

test('a double click starts the sound test and does not stop it', async ({ hotdesk, seat }) => {
  const { page } = await seat();
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await echo.start.dblclick();
  await expect(echo.main).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
  await expect(echo.heard).toHaveAttribute('data-echo', 'yes');
});

test('the program falls, and the page offers to start it anew', async ({ hotdesk, seat }) => {
  const { page, watch } = await seat();
  watch.allow(/unreachable/);
  await new EchoPage(page).open(hotdesk.url);
  await page.evaluate(() => {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError('unreachable');
    });
  });
  await page.getByRole('button', { name: 'Reload', exact: true }).click();
  await new EchoPage(page).start.waitFor();
  await expect(page.getByRole('button', { name: 'Reload', exact: true })).toBeHidden();
});
