import { signInByRest } from '../fixtures/api';
import { CtiSocket } from '../fixtures/cti';
import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { expect, test } from '../fixtures/test';

// The CTI socket as an integrator's program sees it, beside pages whose calls it tells of.

test('a socket is greeted first, then told who it is and what its phone does', async ({ hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  const user = (await socket.next('UserConfigUpdate')).ctiMessage;
  expect(socket.received[0]).toEqual({ msgType: 'LoggedOn', ctiMessage: {} });
  expect(user).toMatchObject({ userId: expect.any(Number), fullName: expect.stringMatching(/Alice/), firstName: 'Alice' });
  await expect.poll(() => socket.received.find(({ msgType }) => msgType === 'PhoneStatusUpdate')?.ctiMessage).toEqual({ status: 4 });
  socket.close();
});

test('line and ICE configuration are answered with the names that clients read', async ({ hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'bruno');
  await socket.next('LoggedOn');
  expect(await socket.line()).toMatchObject({
    id: expect.stringMatching(/./),
    number: LINES.bruno,
    name: expect.stringMatching(/./),
    password: expect.stringMatching(/.{12}/),
    xivoIp: expect.stringMatching(/./),
    hasDevice: false,
    webRtc: true,
    sipProxyName: 'default',
  });
  socket.command('getIceConfig');
  const ice = (await socket.next('IceConfig')).ctiMessage;
  for (const member of Object.values(ice)) expect(member).not.toBeNull();
  socket.close();
});

test('a ping is answered with a frame', async ({ hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  await socket.next('LoggedOn');
  socket.ping();
  expect(await socket.next(({ claz }) => claz === 'ping')).toEqual({ claz: 'ping' });
  socket.close();
});

test('what cannot be read gets an Error, and the socket lives', async ({ hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  await socket.next('LoggedOn');
  const bad = [
    'nonsense',
    '{"claz":"web"',
    '[]',
    '42',
    '{"claz":"web"}',
    '{"claz":"web","command":"makeCoffee"}',
    '{"claz":"web","command":"dial"}',
    '{"claz":"web","command":"dial","destination":{"no":"number"}}',
    '{"claz":"strange","command":"dial"}',
    `${'['.repeat(20_000)}`,
    '{"claz":"web","command":"getConfig","objectType":"moon"}',
  ];
  for (const frame of bad) {
    socket.text(frame);
    const { ctiMessage } = await socket.next('Error');
    expect(ctiMessage, frame.slice(0, 80)).toEqual({ Error: expect.stringMatching(/./) });
  }
  expect((await socket.line()).number).toBe(LINES.alice);
  socket.close();
});

test('the 181st message of a burst is throttled with exactly the documented answer, and the socket lives', async ({ hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  await socket.next('PhoneStatusUpdate');
  const sent = 190;
  const started = Date.now();
  const before = socket.received.length;
  for (let n = 0; n < sent; n += 1) socket.command('getCurrentCallsPhoneEvents');
  const answers = () => socket.received.slice(before).filter(({ msgType }) => msgType === 'CurrentCallsPhoneEvents').length;
  const errors = () => socket.received.slice(before).filter(({ msgType }) => msgType === 'Error');
  await expect.poll(() => answers() + errors().length).toBe(sent);
  const drained = Math.ceil((3 * (Date.now() - started)) / 1000);
  expect(answers()).toBeGreaterThanOrEqual(180);
  expect(answers()).toBeLessThanOrEqual(180 + drained);
  expect(errors().length).toBeGreaterThan(0);
  for (const error of errors()) {
    expect(error).toEqual({ msgType: 'Error', ctiMessage: { Error: 'Maximum throttle throughput exceeded.' } });
  }
  socket.ping();
  await socket.next(({ claz }) => claz === 'ping');
  await expect.poll(async () => {
    const already = answers();
    socket.command('getCurrentCallsPhoneEvents');
    await socket.next(({ msgType }) => msgType === 'CurrentCallsPhoneEvents' || msgType === 'Error');
    return answers() > already;
  }).toBe(true);
  socket.close();
});

test('a socket without a good token, or from a strange page, is not opened', async ({ hotdesk }) => {
  const { token } = await signInByRest(hotdesk, 'alice');
  for (const bad of ['', 'nonsense', `${token.slice(0, -4)}AAAA`]) {
    expect(await CtiSocket.refusal(hotdesk, bad), `token “${bad.slice(0, 8)}”`).toBeGreaterThanOrEqual(400);
  }
  for (const origin of ['http://evil.example', 'null', `${hotdesk.url}.evil.example`, hotdesk.url.replace('http:', 'https:')]) {
    expect(await CtiSocket.refusal(hotdesk, token, origin), origin).toBe(403);
  }
  expect(await CtiSocket.refusal(hotdesk, token)).toBe(101);
});

test('a call between two desks is told to both, in order, with the Call-ID of each one’s own leg', async ({ agent, colleague, hotdesk }) => {
  const [alice, bruno] = [await CtiSocket.of(hotdesk, 'alice'), await CtiSocket.of(hotdesk, 'bruno')];
  await Promise.all([alice.next('LoggedOn'), bruno.next('LoggedOn')]);

  await agent.desk.dial(LINES.bruno);
  const dialing = await alice.phoneEvent('EventDialing');
  const ringing = await bruno.phoneEvent('EventRinging');
  expect(dialing).toMatchObject({ DN: LINES.alice, otherDN: LINES.bruno, callDirection: 'Outgoing', uniqueId: expect.stringMatching(/./) });
  expect(ringing).toMatchObject({ DN: LINES.bruno, otherDN: LINES.alice, otherDName: expect.stringMatching(/Alice/), callDirection: 'Incoming' });
  expect(dialing.linkedId).toBe(ringing.linkedId);
  expect(dialing.uniqueId).not.toBe(ringing.uniqueId);
  expect(dialing.userData.SIPCALLID).toMatch(/./);
  expect(ringing.userData.SIPCALLID).toMatch(/./);
  expect(dialing.userData.SIPCALLID).not.toBe(ringing.userData.SIPCALLID);

  await colleague.desk.answer.click();
  await Promise.all([alice.phoneEvent('EventEstablished'), bruno.phoneEvent('EventEstablished')]);
  bruno.command('getCurrentCallsPhoneEvents');
  const { ctiMessage } = await bruno.next('CurrentCallsPhoneEvents');
  expect(ctiMessage.events).toHaveLength(1);
  expect(ctiMessage.events[0]).toMatchObject({ eventType: 'EventEstablished', uniqueId: ringing.uniqueId });

  await agent.desk.hold.click();
  await alice.phoneEvent('EventOnHold');
  await agent.desk.resume.click();
  await alice.phoneEvent('EventEstablished');
  await agent.desk.end.click();
  await Promise.all([alice.phoneEvent('EventReleased'), bruno.phoneEvent('EventReleased')]);
  expect(alice.phoneEvents()).toEqual(['EventDialing', 'EventEstablished', 'EventOnHold', 'EventEstablished', 'EventReleased']);
  expect(bruno.phoneEvents()).toEqual(['EventRinging', 'EventEstablished', 'EventReleased']);
  alice.close();
  bruno.close();
});

test('dial, hold and hangup by command act on the page’s phone', async ({ agent, hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  await socket.next('LoggedOn');
  socket.command('dial', { destination: ECHO_NUMBER, variables: { CASE: 'A-77' } });
  const dialing = await socket.phoneEvent('EventDialing');
  expect(dialing).toMatchObject({ DN: LINES.alice, otherDN: ECHO_NUMBER, callDirection: 'Outgoing' });
  expect(dialing.userData).toMatchObject({ SIPCALLID: expect.stringMatching(/./), USR_CASE: 'A-77' });
  const established = await socket.phoneEvent('EventEstablished');
  expect(established).toMatchObject({ uniqueId: dialing.uniqueId, userData: dialing.userData });
  await agent.desk.is('on-call', 15_000);
  socket.command('hold', { uniqueId: established.uniqueId });
  expect((await socket.next('WebRTCCmd')).ctiMessage).toEqual({ command: 'Hold', sipCallId: dialing.userData.SIPCALLID });
  await socket.phoneEvent('EventOnHold');
  await agent.desk.is('on-hold');
  socket.command('hold', { uniqueId: established.uniqueId });
  expect((await socket.next('WebRTCCmd')).ctiMessage).toEqual({ command: 'Hold', sipCallId: dialing.userData.SIPCALLID });
  await socket.phoneEvent('EventEstablished');
  await agent.desk.is('on-call');
  socket.command('hangup', { uniqueId: established.uniqueId });
  await socket.phoneEvent('EventReleased');
  await agent.desk.is('ready');
  expect(socket.phoneEvents()).toEqual(['EventDialing', 'EventEstablished', 'EventOnHold', 'EventEstablished', 'EventReleased']);
  socket.close();
});

test('answer by command answers on the page', async ({ agent, colleague, hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  await socket.next('LoggedOn');
  await colleague.desk.dial(LINES.alice);
  const ringing = await socket.phoneEvent('EventRinging');
  socket.command('answer', { uniqueId: ringing.uniqueId });
  const { ctiMessage } = await socket.next('WebRTCCmd');
  expect(ctiMessage).toMatchObject({ command: 'Answer', sipCallId: ringing.userData.SIPCALLID });
  await socket.phoneEvent('EventEstablished');
  await Promise.all([agent.desk.is('on-call'), colleague.desk.is('on-call')]);
  socket.close();
});

test('phone status follows the phone', async ({ agent, hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  const status = async (wanted: number) => {
    await socket.next(({ msgType, ctiMessage }) => msgType === 'PhoneStatusUpdate' && ctiMessage.status === wanted);
  };
  await status(0);
  await agent.desk.dial(ECHO_NUMBER);
  await status(1);
  await agent.desk.hold.click();
  await status(16);
  await agent.desk.resume.click();
  await status(1);
  await agent.desk.end.click();
  await status(0);
  socket.close();
});
