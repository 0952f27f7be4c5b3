import type { CDPSession } from '@playwright/test';
import { CtiSocket } from '../fixtures/cti';
import { LINES } from '../fixtures/hotdesk';
import { expect, test, TONES } from '../fixtures/test';
import { expectTone } from '../fixtures/tone';

/** Reads from the page as a bystander: Playwright's own `evaluate` would count as a click of the user. */
async function read<T>(bystander: CDPSession, expression: string): Promise<T> {
  return (await bystander.send('Runtime.evaluate', { expression, userGesture: false, returnByValue: true })).result.value as T;
}

test('where the browser blocks sound, the page says so, and one click lets it through', async ({ signIn, colleague, hotdesk }) => {
  const alice = await signIn('alice', { microphone: { kind: 'tone', hertz: TONES.alice }, soundNeedsClick: true });
  const bystander = await alice.page.context().newCDPSession(alice.page);
  const events = await CtiSocket.of(hotdesk, 'alice');
  await events.next('LoggedOn');
  // The browser remembers a click for some seconds; after that, sound that starts by itself is blocked.
  await expect.poll(() => read(bystander, 'navigator.userActivation.isActive'), { timeout: 15_000 }).toBe(false);

  await colleague.desk.dial(LINES.alice);
  const ringing = await events.phoneEvent('EventRinging');
  events.command('answer', { uniqueId: ringing.uniqueId });
  await events.phoneEvent('EventEstablished');
  await colleague.desk.is('on-call');

  await expect.poll(() => read<string>(bystander, 'document.body.innerText')).toContain('Sound is blocked – click to allow');
  await expectTone(colleague.page, alice.hertz);
  await alice.desk.soundBlocked.click();
  await expectTone(alice.page, colleague.hertz);
  await expect(alice.desk.soundBlocked).toBeHidden();
  events.close();
});
