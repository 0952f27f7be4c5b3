import { expect, test, TONES } from '../fixtures/client_test';
import type { ClientPage } from '../fixtures/clients';
import { ECHO_NUMBER } from '../fixtures/hotdesk';
import { expectTone } from '../fixtures/tone';

// Sessions that must be refreshed (RFC 4028). JsSIP asks for 90 seconds, less than which nobody may.

/** Half of the interval: when who refreshes does so, in milliseconds. */
const REFRESH = 45_000;

/** The server holds a session for lost 30 seconds before its end; that is past here, in milliseconds. */
const LAPSED = 66_000;

/** Requests that refresh a session: UPDATE, and INVITE inside a call. */
function refreshes(messages: string[]): string[] {
  return messages.filter((text) => /^(UPDATE|INVITE) /.test(text) && /^To: .*;tag=/m.test(text));
}

/** The answer to a request among these messages. */
function answer(request: string, messages: string[]): string | undefined {
  const sequence = /^CSeq: .*/m.exec(request)?.[0] ?? 'CSeq';
  return messages.find((text) => /^SIP\/2\.0 [2-6]/.test(text) && text.includes(sequence));
}

async function callsTheEcho(client: ClientPage, refresher: 'uac' | 'uas'): Promise<void> {
  await client.call(ECHO_NUMBER);
  await client.is('in call');
  expect(client.frames.received.some((text) => text.includes(`Session-Expires: 90;refresher=${refresher}`))).toBe(true);
}

for (const refreshBy of ['UPDATE', 'INVITE'] as const) {
  test(`a jssip page refreshes its session by ${refreshBy}, and its call lives on`, async ({ client }) => {
    const alice = await client('jssip', 'alice', { refreshBy });
    await alice.page.clock.install();
    await callsTheEcho(alice, 'uac');
    await expectTone(alice.page, TONES.alice);
    for (const times of [1, 2]) {
      await alice.page.clock.fastForward(REFRESH);
      await expect.poll(() => refreshes(alice.frames.sent).length).toBe(times);
      const request = refreshes(alice.frames.sent)[times - 1];
      expect(request).toMatch(new RegExp(`^${refreshBy} [^]*Session-Expires: 90;refresher=uac`));
      await expect.poll(() => answer(request, alice.frames.received)).toMatch(/^SIP\/2\.0 200 [^]*Session-Expires: 90;refresher=uac/);
      await alice.is('in call');
      await expectTone(alice.page, TONES.alice);
    }
    await alice.hangUp();
    await alice.is('ended');
  });
}

test('a session that its page forgets ends no call with sound, and those of other pages we refresh', async ({ client }) => {
  test.setTimeout(150_000);
  const alice = await client('jssip', 'alice', { refreshBy: 'UPDATE' });
  const bruno = await client('jssip', 'bruno');
  await callsTheEcho(bruno, 'uas');
  await callsTheEcho(alice, 'uac');
  await alice.forgetToRefresh();
  for (const lapsed = Date.now() + LAPSED; Date.now() < lapsed; ) {
    await Promise.all([expectTone(alice.page, TONES.alice), expectTone(bruno.page, TONES.bruno)]);
  }
  await Promise.all([alice.is('in call'), bruno.is('in call')]);
  expect(refreshes(alice.frames.sent)).toEqual([]);
  const [refresh] = refreshes(bruno.frames.received);
  expect(refresh).toMatch(/^UPDATE [^]*Session-Expires: 90;refresher=uac/);
  expect(answer(refresh, bruno.frames.sent)).toMatch(/^SIP\/2\.0 200 /);
  await Promise.all([alice.hangUp(), bruno.hangUp()]);
  await Promise.all([alice.is('ended'), bruno.is('ended')]);
});
