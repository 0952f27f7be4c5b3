import { Baresip } from '../fixtures/baresip';
import { expect, test as base, TONES } from '../fixtures/client_test';
import { ECHO_NUMBER, freePort, LINES, type Login } from '../fixtures/hotdesk';
import { expectNoTone, expectSilence, expectTone } from '../fixtures/tone';

// What the SIP stacks of others do beyond a plain call: transfers, UPDATE, keys, and calls with a desk phone.

interface Fixtures {
  sipPort: number;
  /** A desk phone on the line of the given user. */
  deskPhone: (login: Login) => Promise<Baresip>;
}

const test = base.extend<Fixtures>({
  sipPort: async ({}, use) => use(await freePort()),
  serverEnvironment: async ({ serverEnvironment, sipPort }, use) =>
    use({ ...serverEnvironment, HOTDESK_SIP_UDP: `127.0.0.1:${sipPort}`, HOTDESK_SIP_TCP: '', HOTDESK_SIP_DIGEST: 'md5' }),
  deskPhone: async ({ hotdesk, sipPort }, use) => {
    const phones: Baresip[] = [];
    await use(async (login) => {
      expect(hotdesk.running).toBe(true);
      const phone = await Baresip.register(`127.0.0.1:${sipPort}`, LINES[login], TONES[login]);
      phones.push(phone);
      return phone;
    });
    for (const phone of phones) await phone.dispose();
  },
});

test('a jssip page holds and resumes by UPDATE', async ({ client }) => {
  const alice = await client('jssip', 'alice');
  await alice.call(ECHO_NUMBER);
  await alice.is('in call');
  await expectTone(alice.page, TONES.alice);
  await alice.holdByUpdate();
  await alice.is('on hold');
  await expectSilence(alice.page);
  await alice.resumeByUpdate();
  await alice.is('in call');
  await expectTone(alice.page, TONES.alice);
  await alice.hangUp();
  await alice.is('ended');
});

for (const stack of ['jssip', 'sipjs'] as const) {
  test(`a ${stack} page sends its call to a colleague`, async ({ client }) => {
    const alice = await client('jssip', 'alice');
    const bruno = await client(stack, 'bruno');
    const carla = await client('jssip', 'carla');
    await alice.call(LINES.bruno);
    await bruno.is('ringing');
    await bruno.answer();
    await Promise.all([alice.is('in call'), bruno.is('in call')]);
    await expectTone(alice.page, TONES.bruno);
    await bruno.transfer(LINES.carla);
    await carla.is('ringing');
    await carla.answer();
    await carla.is('in call');
    await Promise.all([expectTone(alice.page, TONES.carla), expectTone(carla.page, TONES.alice)]);
    await expectNoTone(alice.page, TONES.bruno);
    await alice.hangUp();
    await Promise.all([alice.is('ended'), carla.is('ended')]);
  });
}

for (const stack of ['jssip', 'sipjs'] as const) {
  test(`a ${stack} page asks a colleague and joins the two calls`, async ({ client }) => {
    const alice = await client('jssip', 'alice');
    const bruno = await client(stack, 'bruno');
    const carla = await client('jssip', 'carla');
    await alice.call(LINES.bruno);
    await bruno.is('ringing');
    await bruno.answer();
    await expectTone(bruno.page, TONES.alice);
    await bruno.hold();
    await bruno.is('on hold');
    await bruno.consult(LINES.carla);
    await carla.is('ringing');
    await carla.answer();
    await carla.is('in call');
    await expectTone(carla.page, TONES.bruno);
    await bruno.complete();
    await Promise.all([expectTone(alice.page, TONES.carla), expectTone(carla.page, TONES.alice)]);
    await Promise.all([expectNoTone(alice.page, TONES.bruno), expectNoTone(carla.page, TONES.bruno)]);
    await bruno.is('ended');
    await carla.hangUp();
    await alice.is('ended');
  });
}

test('a page and a desk phone call and hear each other', async ({ client, deskPhone }) => {
  const alice = await client('jssip', 'alice');
  const bruno = await deskPhone('bruno');
  await alice.call(LINES.bruno);
  await alice.is('in call');
  await expectTone(alice.page, TONES.bruno);
  await alice.hangUp();
  await bruno.tells('CALL_CLOSED');
  expect(bruno.heard(TONES.alice)).toBeGreaterThan(0.5);

  bruno.command('dial', `${LINES.alice}`);
  await alice.is('ringing');
  await alice.answer();
  await expectTone(alice.page, TONES.bruno);
  bruno.command('hangup');
  await alice.is('ended');
});

for (const stack of ['jssip', 'sipjs', 'sipml5'] as const) {
  test(`a desk phone hears each key of a ${stack} page once, however the page tells it`, async ({ client, deskPhone }) => {
    const alice = await client(stack, 'alice');
    const bruno = await deskPhone('bruno');
    await alice.call(LINES.bruno);
    await alice.is('in call');
    await expectTone(alice.page, TONES.bruno);
    await alice.press('5');
    await bruno.hearsKeys('5');
    await alice.press('#');
    await bruno.hearsKeys('5#');
    if (stack !== 'sipml5') {
      await alice.pressBeside('8');
      await bruno.hearsKeys('5#8');
      await alice.pressBeside('*');
      await bruno.hearsKeys('5#8*');
    }
    // The sound goes on beside the keys.
    await expectTone(alice.page, TONES.bruno);
    await alice.hangUp();
    await bruno.tells('CALL_CLOSED');
    expect(bruno.keys()).toBe(stack === 'sipml5' ? '5#' : '5#8*');
    expect(bruno.heard(TONES.alice)).toBeGreaterThan(0.5);
  });
}

for (const [from, to] of [
  ['sipjs', 'jssip'],
  ['jssip', 'sipjs'],
  ['sipml5', 'sipjs'],
] as const) {
  test(`a ${to} page is told the key of a ${from} page`, async ({ client }) => {
    const alice = await client(from, 'alice');
    const bruno = await client(to, 'bruno');
    await alice.call(LINES.bruno);
    await bruno.is('ringing');
    await bruno.answer();
    await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(bruno.page, TONES.alice)]);
    await alice.press('7');
    await expect(bruno.page).toHaveTitle('key 7');
    await alice.hangUp();
    await bruno.is('ended');
  });
}
