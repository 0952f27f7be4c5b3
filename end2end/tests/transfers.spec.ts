import { CtiSocket } from '../fixtures/cti';
import { LINES } from '../fixtures/hotdesk';
import { type DeskSeat, expect, test } from '../fixtures/test';
import { expectMusic, expectNoTone, expectTone, listen } from '../fixtures/tone';

// Transfers as a CRM page asks for them: by CTI command, on the calls of three desks.

async function converse(from: DeskSeat, to: DeskSeat): Promise<void> {
  await from.desk.dial(LINES[to.login]);
  await to.desk.is('ringing');
  await to.desk.answer.click();
  await Promise.all([from.desk.is('on-call'), to.desk.is('on-call')]);
  await Promise.all([expectTone(from.page, to.hertz), expectTone(to.page, from.hertz)]);
}

async function hearEachOther(one: DeskSeat, other: DeskSeat): Promise<void> {
  await Promise.all([expectTone(one.page, other.hertz), expectTone(other.page, one.hertz)]);
}

test('a blind transfer: the agent is out at once, the caller hears it ring and talks to the next', async ({ agent, colleague, supervisor: carla, hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'alice');
  await socket.next('LoggedOn');
  await converse(colleague, agent);
  socket.command('directTransfer', { destination: LINES.carla });
  await socket.phoneEvent('EventReleased');
  await agent.desk.is('ready');
  await carla.desk.is('ringing');
  await expectMusic(colleague.page);
  await carla.desk.answer.click();
  await hearEachOther(colleague, carla);
  await expectNoTone(colleague.page, agent.hertz);
  socket.close();
});

test('an attended transfer: ask first, then join', async ({ agent, colleague, supervisor: carla, hotdesk }) => {
  const [alice, bruno] = [await CtiSocket.of(hotdesk, 'alice'), await CtiSocket.of(hotdesk, 'bruno')];
  await Promise.all([alice.next('LoggedOn'), bruno.next('LoggedOn')]);
  await converse(colleague, agent);
  const before = await bruno.phoneEvent('EventEstablished');
  alice.command('attendedTransfer', { destination: LINES.carla });
  await alice.phoneEvent('EventOnHold');
  await carla.desk.is('ringing');
  await expectMusic(colleague.page);
  await carla.desk.answer.click();
  await hearEachOther(agent, carla);
  await expectNoTone(colleague.page, agent.hertz);
  alice.command('completeTransfer', {});
  await hearEachOther(colleague, carla);
  await agent.desk.is('ready');
  const after = await bruno.phoneEvent('EventEstablished');
  expect(after).toMatchObject({ linkedId: before.linkedId, otherDN: LINES.carla });
  alice.close();
  bruno.close();
});

test('a consultation that is cancelled brings the caller back', async ({ agent, colleague, supervisor: carla, hotdesk }) => {
  const alice = await CtiSocket.of(hotdesk, 'alice');
  await alice.next('LoggedOn');
  await converse(colleague, agent);
  alice.command('attendedTransfer', { destination: LINES.carla });
  await carla.desk.is('ringing');
  await expectMusic(colleague.page);
  alice.command('cancelTransfer', {});
  await carla.desk.is('ready');
  await hearEachOther(colleague, agent);
  alice.close();
});

test('a conference of three: each hears both others', async ({ agent, colleague, supervisor: carla, hotdesk }) => {
  const alice = await CtiSocket.of(hotdesk, 'alice');
  await alice.next('LoggedOn');
  await converse(colleague, agent);
  alice.command('attendedTransfer', { destination: LINES.carla });
  await carla.desk.is('ringing');
  await carla.desk.answer.click();
  await hearEachOther(agent, carla);
  alice.command('conference', {});
  // two tones at once: each must have its part in what is heard, and one's own none
  for (const [who, others] of [[colleague, [agent, carla]], [carla, [agent, colleague]], [agent, [colleague, carla]]] as const) {
    for (const other of others) await expectPart(who, other.hertz);
    await expectNoTone(who.page, who.hertz);
  }
  alice.close();
});

async function expectPart(seat: DeskSeat, hertz: number): Promise<void> {
  await expect
    .poll(async () => {
      const { total, tone } = await listen(seat.page, hertz);
      return tone > -50 && tone > total - 12;
    }, { timeout: 15_000 })
    .toBe(true);
}

test('calls go on to another number, and do not disturb is busy', async ({ agent, colleague, supervisor: carla, hotdesk }) => {
  const socket = await CtiSocket.of(hotdesk, 'carla');
  await socket.next('LoggedOn');
  socket.command('uncFwd', { state: true, destination: LINES.bruno });
  await socket.next(({ msgType, ctiMessage }) => msgType === 'UserConfigUpdate' && ctiMessage.uncFwdEnabled === true);
  await agent.desk.dial(LINES.carla);
  await colleague.desk.is('ringing');
  await carla.desk.is('ready');
  await agent.desk.end.click();
  await colleague.desk.is('ready');
  socket.command('uncFwd', { state: false, destination: LINES.bruno });
  socket.command('dnd', { state: true });
  await socket.next(({ msgType, ctiMessage }) => msgType === 'UserConfigUpdate' && ctiMessage.dndEnabled === true);
  await agent.desk.dial(LINES.carla);
  await agent.desk.says(/is busy/);
  socket.close();
});
