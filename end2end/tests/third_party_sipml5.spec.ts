import { expect, test, TONES } from '../fixtures/client_test';
import { CtiSocket } from '../fixtures/cti';
import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { expectTone } from '../fixtures/tone';

// What SIPml5, and a page of XiVO's that is made with it, do as no other does.

/** The host that SIPml5 gives itself: nobody can find it. */
const NOWHERE = 'df7jal23ls0d.invalid';

test('a sipml5 page that names a host nobody can find registers, is reached there and told by its own words', async ({ client }) => {
  const alice = await client('sipml5', 'alice');
  const bruno = await client('jssip', 'bruno');
  expect(await alice.subprotocol()).toBe('sip');
  const [register] = alice.frames.sent.filter((text) => text.startsWith('REGISTER') && /^Authorization:/m.test(text));
  expect(register).toMatch(new RegExp(`^Via: SIP/2.0/WS ${NOWHERE};`, 'm'));
  expect(register).toMatch(new RegExp(`^Contact: .*@${NOWHERE};rtcweb-breaker=no;transport=ws>.*expires=60.*click2call=no.*\\+sip.ice`, 'm'));
  expect(register).toMatch(/^Supported: path/m);
  expect(register).toMatch(/^User-Agent: XiVO XC WebRTC 1\.0/m);

  await bruno.call(LINES.alice);
  await alice.is('ringing');
  await alice.answer();
  await bruno.is('in call');
  await Promise.all([expectTone(alice.page, TONES.bruno), expectTone(bruno.page, TONES.alice)]);
  const [invite] = alice.frames.received.filter((text) => text.startsWith('INVITE'));
  expect(invite).toMatch(new RegExp(`^INVITE sip:[^ ]*@${NOWHERE}`));
  const [answer] = alice.frames.sent.filter((text) => /^SIP\/2\.0 200 [^]*CSeq: \d+ INVITE/.test(text));
  expect(answer.match(/^Allow: (.*)$/m)?.[1]).not.toContain('INFO');
  // Keys go by INFO all the same, from it and to it.
  await alice.press('3');
  await expect(bruno.page).toHaveTitle('key 3');
  expect(alice.frames.sent.find((text) => text.startsWith('INFO'))).toMatch(/^Content-Type: application\/dtmf-relay\r$[^]*Signal=3\r\nDuration=120/m);
  await bruno.press('9');
  await expect.poll(() => alice.frames.received.find((text) => text.startsWith('INFO'))).toContain('Signal=9');
  await bruno.hangUp();
  await alice.is('ended');
});

test('a sipml5 page answers by itself where the CTI socket dials for its user', async ({ client, hotdesk }) => {
  const alice = await client('sipml5', 'alice');
  const cti = await CtiSocket.of(hotdesk, 'alice');
  await cti.next('LoggedOn');
  cti.command('dial', { destination: ECHO_NUMBER });
  await alice.is('in call');
  const [invite] = alice.frames.received.filter((text) => text.startsWith('INVITE'));
  expect(invite).toMatch(/^Alert-Info: xivo-autoanswer\r$/m);
  await expectTone(alice.page, TONES.alice);
  const { userData } = await cti.phoneEvent('EventEstablished');
  expect(userData.SIPCALLID).toBe(/^Call-ID: (.*)\r$/m.exec(invite)?.[1]);
  cti.command('hangup', {});
  await alice.is('ended');
  cti.close();
});
