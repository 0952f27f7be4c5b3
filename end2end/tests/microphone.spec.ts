import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { expect, test } from '../fixtures/test';

for (const [what, kind, words] of [
  ['a refused microphone', 'refused', /not allowed.*address bar/i],
  ['a missing microphone', 'missing', /no microphone.*plug one in/i],
] as const) {
  test(`${what} is named when a call is made, with what to do`, async ({ signIn }) => {
    const { desk } = await signIn('alice', { microphone: { kind } });
    await desk.dial(ECHO_NUMBER);
    await expect(desk.microphoneProblem).toBeVisible();
    await expect(desk.microphoneProblem).toContainText(words);
    await desk.linkIs('audio', 'bad');
    await desk.is('ready', 15_000);
    await desk.ready();
  });

  test(`${what} is named when a call is answered; it rings on, and declining it tells the caller`, async ({ signIn, colleague }) => {
    const { desk } = await signIn('alice', { microphone: { kind } });
    await colleague.desk.dial(LINES.alice);
    await desk.answer.click();
    await expect(desk.microphoneProblem).toBeVisible();
    await expect(desk.microphoneProblem).toContainText(words);
    await desk.is('ringing');
    await desk.decline.click();
    await colleague.desk.says(/declined/i);
    await colleague.desk.is('ready', 20_000);
    await desk.is('ready', 20_000);
  });
}
