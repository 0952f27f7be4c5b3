import { expect, test, TONES } from '../fixtures/client_test';
import { ClientPage, ClientSite } from '../fixtures/clients';
import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { expectMusic, expectNoTone, expectSilence, expectTone } from '../fixtures/tone';

// Pages that others made with other SIP stacks, on an origin of their own. They are how we know that we are right.

for (const stack of ['jssip', 'sipjs', 'sipml5'] as const) {
  // SIPml5 as it is published does not resume in today's browsers: it takes its stream out of the connection when it
  // holds, and afterwards offers `recvonly`.
  test(`a ${stack} page calls the echo, holds, resumes and hangs up`, async ({ client }) => {
    const alice = await client(stack, 'alice');
    await alice.call(ECHO_NUMBER);
    await alice.is('in call');
    await expectTone(alice.page, TONES.alice);
    await alice.hold();
    await alice.is('on hold');
    await expectSilence(alice.page);
    if (stack !== 'sipml5') {
      await alice.resume();
      await alice.is('in call');
      await expectTone(alice.page, TONES.alice);
    }
    await alice.hangUp();
    await alice.is('ended');
  });

  test(`a ${stack} page and our desk call each other`, async ({ client, colleague }) => {
    const alice = await client(stack, 'alice');
    await alice.call(LINES.bruno);
    await colleague.desk.is('ringing');
    await colleague.desk.answer.click();
    await alice.is('in call');
    await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(colleague.page, TONES.alice)]);
    await colleague.desk.hold.click();
    await colleague.desk.is('on-hold');
    await Promise.all([expectMusic(alice.page), expectSilence(colleague.page)]);
    await colleague.desk.resume.click();
    await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(colleague.page, TONES.alice)]);
    await alice.hangUp();
    await colleague.desk.is('ready');

    await colleague.desk.dial(LINES.alice);
    await alice.is('ringing');
    await alice.answer();
    await colleague.desk.is('on-call');
    await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(colleague.page, TONES.alice)]);
    await colleague.desk.end.click();
    await alice.is('ended');
  });
}

for (const [from, to] of [
  ['jssip', 'sipjs'],
  ['sipjs', 'jssip'],
  ['jssip', 'sipml5'],
] as const) {
  test(`a ${from} page calls a ${to} page: each hears the other, who is held hears music, resume restores`, async ({ client }) => {
    const alice = await client(from, 'alice');
    const bruno = await client(to, 'bruno');
    await alice.call(LINES.bruno);
    await bruno.is('ringing');
    await bruno.answer();
    await Promise.all([alice.is('in call'), bruno.is('in call')]);
    await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(bruno.page, TONES.alice)]);
    await Promise.all([expectNoTone(alice.page, TONES.alice), expectNoTone(bruno.page, TONES.bruno)]);
    await alice.hold();
    await alice.is('on hold');
    await Promise.all([expectSilence(alice.page), expectMusic(bruno.page)]);
    await alice.resume();
    await alice.is('in call');
    await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(bruno.page, TONES.alice)]);
    await bruno.hangUp();
    await Promise.all([alice.is('ended'), bruno.is('ended')]);
  });
}

// JsSIP's words: `Not Found` is 404 or 604, `Rejected` 403 or 603, `Busy` 486 or 600.
test('an unknown number, a refusal and a talking line have their own codes', async ({ client, colleague }) => {
  const alice = await client('jssip', 'alice');
  await alice.call('9999');
  await alice.is('failed: Not Found');
  await alice.call(LINES.bruno);
  await colleague.desk.decline.click();
  await alice.is('failed: Rejected');

  const dave = await client('jssip', 'dave');
  await alice.call(LINES.bruno);
  await colleague.desk.answer.click();
  await alice.is('in call');
  await dave.call(LINES.bruno);
  await dave.is('failed: Busy');
  await dave.call(LINES.alice);
  await dave.is('failed: Busy');
  await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(colleague.page, TONES.alice)]);
});

test('markup in a caller’s name is shown as text, never as markup', async ({ client, colleague }) => {
  const name = '<img src=x onerror="window.broken=1"><b>Mallory</b>';
  const alice = await client('jssip', 'alice', { displayName: name });
  await alice.call(LINES.bruno);
  await colleague.desk.is('ringing');
  const page = colleague.page;
  const harmless = async () => {
    expect(await page.evaluate(() => 'broken' in window)).toBe(false);
    await expect(page.locator('img[src="x"]')).toHaveCount(0);
    await expect(page.locator('b', { hasText: 'Mallory' })).toHaveCount(0);
  };
  await harmless();
  await colleague.desk.answer.click();
  await alice.is('in call');
  await expectTone(page, TONES.alice);
  await harmless();
  await alice.hangUp();
  await colleague.desk.is('ready');
  await harmless();
});

test('a page of an origin that is not on the list gets nowhere', async ({ seat, hotdesk }) => {
  const stranger = await ClientSite.open();
  try {
    const { page, watch } = await seat({ mayReach: [stranger.origin] });
    watch.allow(/CORS policy|Failed to load resource|WebSocket/);
    const client = new ClientPage(page, stranger, 'jssip');
    await expect(client.register(hotdesk, 'alice')).rejects.toThrow(/Failed to fetch|CTI socket/);
  } finally {
    await stranger.close();
  }
});
