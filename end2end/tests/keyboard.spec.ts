import { expect, type Locator, type Page } from '@playwright/test';
import { DEMO_PASSWORD, ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { test, TONES } from '../fixtures/test';
import { expectTone } from '../fixtures/tone';
import { DeskPage } from '../pages/desk';
import { EchoPage } from '../pages/echo';
import { LoginPage } from '../pages/login';

/** Presses Tab until this control has the focus, as somebody without a mouse does. */
async function tabTo(page: Page, control: Locator, limit = 60): Promise<void> {
  await control.waitFor();
  for (let n = 0; n < limit; n += 1) {
    if (await control.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${limit} times Tab did not lead to ${control}`);
}

/** The focus must be seen: an outline or a shadow of the control, or of its frame, that is not there without it. */
async function expectVisibleFocus(control: Locator): Promise<void> {
  await expect(control).toBeFocused();
  const marks = await control.evaluate((element) => {
    const mark = (styled: Element) => {
      const { outlineStyle, outlineWidth, outlineColor, boxShadow } = getComputedStyle(styled);
      const outlined = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2;
      return `outline ${outlined ? outlineColor : 'none'}, shadow ${boxShadow}`;
    };
    // A twin in the same place has the same style, but for the focus, which stays where it is.
    const without = (styled: Element) => {
      const twin = styled.cloneNode(true) as Element;
      for (const wanting of [twin, ...twin.querySelectorAll('[autofocus]')]) wanting.removeAttribute('autofocus');
      styled.after(twin);
      const seen = mark(twin);
      twin.remove();
      return seen;
    };
    const frame = element.parentElement as Element;
    return [element, frame].map((styled) => {
      // What fades in is not there yet.
      for (const fading of styled.getAnimations()) if (fading instanceof CSSTransition) fading.finish();
      return { focused: mark(styled), without: without(styled) };
    });
  });
  const shown = marks.filter(({ focused, without }) => focused !== without && focused !== 'outline none, shadow none');
  expect(shown, `the focus is visible: ${JSON.stringify(marks)}`).not.toEqual([]);
}

test('sign in, call the echo, mute, hang up, sign out: by keyboard alone', async ({ hotdesk, seat }) => {
  const { page } = await seat({ microphone: { kind: 'tone', hertz: TONES.alice } });
  const entrance = new LoginPage(page);
  const desk = new DeskPage(page);
  await entrance.open(hotdesk.url);
  await tabTo(page, entrance.login);
  await expectVisibleFocus(entrance.login);
  await page.keyboard.type('alice');
  await tabTo(page, entrance.password);
  await page.keyboard.type(DEMO_PASSWORD);
  await page.keyboard.press('Enter');
  await desk.ready();

  await tabTo(page, desk.number);
  await expectVisibleFocus(desk.number);
  await page.keyboard.type(ECHO_NUMBER);
  await page.keyboard.press('Enter');
  await desk.is('on-call');
  await expectTone(page, TONES.alice);

  await tabTo(page, desk.mute);
  await expectVisibleFocus(desk.mute);
  await page.keyboard.press('Space');
  await expect(desk.unmute).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(desk.mute).toBeFocused();

  await tabTo(page, desk.end);
  await expectVisibleFocus(desk.end);
  await page.keyboard.press('Enter');
  await desk.is('ready');

  await tabTo(page, desk.account);
  await expectVisibleFocus(desk.account);
  await page.keyboard.press('Enter');
  await tabTo(page, desk.leave);
  await expectVisibleFocus(desk.leave);
  await page.keyboard.press('Enter');
  await expect(entrance.heading).toBeVisible();
});

test('an incoming call is answered by keyboard and does not take the focus from a field', async ({ agent, colleague }) => {
  await agent.desk.number.focus();
  await agent.page.keyboard.type('10');
  await colleague.desk.dial(LINES.alice);
  await agent.desk.is('ringing');
  await expect(agent.desk.number).toBeFocused();
  await expect(agent.desk.number).toHaveValue('10');
  await tabTo(agent.page, agent.desk.answer);
  await expectVisibleFocus(agent.desk.answer);
  await agent.page.keyboard.press('Enter');
  await agent.desk.is('on-call');
  await expectTone(agent.page, colleague.hertz);
});

test('the sound test is run by keyboard alone', async ({ hotdesk, seat }) => {
  const { page } = await seat();
  const echo = new EchoPage(page);
  await echo.open(hotdesk.url);
  await tabTo(page, echo.start);
  await expectVisibleFocus(echo.start);
  await page.keyboard.press('Enter');
  await expect(echo.main).toHaveAttribute('data-state', 'done', { timeout: 30_000 });
});
