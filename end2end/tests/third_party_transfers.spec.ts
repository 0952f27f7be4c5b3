import { Baresip } from '../fixtures/baresip';
import { ClientPage, ClientSite, type Stack } from '../fixtures/clients';
import { ECHO_NUMBER, freePort, LINES, type Login } from '../fixtures/hotdesk';
import { expect, type SeatOptions, test as base, TONES } from '../fixtures/test';
import { expectNoTone, expectSilence, expectTone } from '../fixtures/tone';

// What the SIP stacks of others do beyond a plain call: transfers, UPDATE, keys, and calls with a desk phone.

interface Fixtures {
  site: ClientSite;
  sipPort: number;
  /** A registered client page of the given stack, signed in as the given user. */
  client: (stack: Stack, login: Login) => Promise<ClientPage>;
  /** A desk phone on the line of the given user. */
  deskPhone: (login: Login) => Promise<Baresip>;
}

const test = base.extend<Fixtures>({
  site: async ({}, use) => {
    const site = await ClientSite.open();
    await use(site);
    await site.close();
  },
  sipPort: async ({}, use) => use(await freePort()),
  serverEnvironment: async ({ site, sipPort }, use) =>
    use({ HOTDESK_HTTP_ORIGINS: site.origin, HOTDESK_SIP_UDP: `127.0.0.1:${sipPort}`, HOTDESK_SIP_TCP: '', HOTDESK_SIP_DIGEST: 'md5' }),
  client: async ({ seat, site, hotdesk }, use) => {
    await use(async (stack, login) => {
      const options: SeatOptions = { microphone: { kind: 'tone', hertz: TONES[login] }, mayReach: [site.origin] };
      const { page } = await seat(options);
      const client = new ClientPage(page, site, stack);
      await client.register(hotdesk, login);
      return client;
    });
  },
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

test('a jssip page asks a colleague and joins the two calls', async ({ client }) => {
  const alice = await client('jssip', 'alice');
  const bruno = await client('jssip', 'bruno');
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
  await carla.hangUp();
  await alice.is('ended');
});

test('a page and a desk phone hear each other, and the phone the keys of the page', async ({ client, deskPhone }) => {
  const alice = await client('jssip', 'alice');
  const bruno = await deskPhone('bruno');
  await alice.call(LINES.bruno);
  await alice.is('in call');
  await expectTone(alice.page, TONES.bruno);
  await alice.press('5');
  await bruno.tells('CALL_DTMF_START');
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
