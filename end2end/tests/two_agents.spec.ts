import { LINES } from '../fixtures/hotdesk';
import { type DeskSeat, expect, test } from '../fixtures/test';
import { expectMusic, expectNoTone, expectSilence, expectTone } from '../fixtures/tone';

/** Each hears the other's tone and not the own one: a loop-back would pass for a conversation otherwise. */
async function expectConversation(one: DeskSeat, other: DeskSeat): Promise<void> {
  await Promise.all([expectTone(one.page, other.hertz), expectTone(other.page, one.hertz)]);
  await Promise.all([expectNoTone(one.page, one.hertz), expectNoTone(other.page, other.hertz)]);
}

async function converse(from: DeskSeat, to: DeskSeat): Promise<void> {
  await from.desk.dial(LINES[to.login]);
  await to.desk.is('ringing');
  await to.desk.answer.click();
  await Promise.all([from.desk.is('on-call'), to.desk.is('on-call')]);
}

test('alice calls bruno, and each hears the other', async ({ agent, colleague }) => {
  await agent.desk.dial(LINES.bruno);
  await agent.desk.is('dialling');
  await colleague.desk.is('ringing');
  await expect(colleague.desk.incoming).toBeVisible();
  await expect(colleague.desk.incoming).toHaveAccessibleName(/Alice/i);
  await expect(colleague.desk.incoming).toContainText(LINES.alice);
  await expectSilence(colleague.page);
  await colleague.desk.answer.click();
  await expect(colleague.desk.heading).toHaveText(/^On call with .*Alice/i);
  await expect(agent.desk.heading).toHaveText(/^On call with .*Bruno/i);
  await expectConversation(agent, colleague);
});

test('bruno calls alice back after their call', async ({ agent, colleague }) => {
  await converse(agent, colleague);
  await agent.desk.end.click();
  await Promise.all([agent.desk.is('ready'), colleague.desk.is('ready')]);
  await converse(colleague, agent);
  await expectConversation(agent, colleague);
});

for (const holder of ['caller', 'called'] as const) {
  test(`hold by the ${holder} brings the other music, and resume brings both back`, async ({ agent, colleague }) => {
    await converse(agent, colleague);
    await expectConversation(agent, colleague);
    const seat = holder === 'caller' ? agent : colleague;
    await seat.desk.hold.click();
    await seat.desk.is('on-hold');
    const waits = holder === 'caller' ? colleague : agent;
    await Promise.all([expectSilence(seat.page), expectMusic(waits.page)]);
    await expectNoTone(waits.page, seat.hertz);
    await seat.desk.resume.click();
    await seat.desk.is('on-call');
    await expectConversation(agent, colleague);
  });

  test(`the ${holder} hangs up, and both are free`, async ({ agent, colleague }) => {
    await converse(agent, colleague);
    await expectConversation(agent, colleague);
    await (holder === 'caller' ? agent : colleague).desk.end.click();
    await Promise.all([agent.desk.is('ready'), colleague.desk.is('ready')]);
    await Promise.all([expectSilence(agent.page), expectSilence(colleague.page)]);
  });
}

test('both hold and both resume, in either order', async ({ agent, colleague }) => {
  await converse(agent, colleague);
  await agent.desk.hold.click();
  await agent.desk.is('on-hold');
  await colleague.desk.hold.click();
  await colleague.desk.is('on-hold');
  await agent.desk.resume.click();
  await agent.desk.is('on-call');
  await Promise.all([expectMusic(agent.page), expectSilence(colleague.page)]);
  await colleague.desk.resume.click();
  await colleague.desk.is('on-call');
  await expectConversation(agent, colleague);
});

test('mute silences one direction only', async ({ agent, colleague }) => {
  await converse(agent, colleague);
  await expectConversation(agent, colleague);
  await agent.desk.mute.click();
  await expect(agent.desk.unmute).toBeVisible();
  await expectSilence(colleague.page);
  await expectTone(agent.page, colleague.hertz);
  await agent.desk.unmute.click();
  await expectConversation(agent, colleague);
});

test('a mute outlasts a hold', async ({ agent, colleague }) => {
  await converse(agent, colleague);
  await agent.desk.mute.click();
  await agent.desk.hold.click();
  await agent.desk.is('on-hold');
  await agent.desk.resume.click();
  await agent.desk.is('on-call');
  await expectTone(agent.page, colleague.hertz);
  await expectSilence(colleague.page);
  await expect(agent.desk.unmute).toBeVisible();
});

test('a declined call is said to the caller in words', async ({ agent, colleague }) => {
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.decline.click();
  await colleague.desk.is('ready');
  await agent.desk.says(/declined/i);
  await agent.desk.is('ready', 15_000);
  await expect(agent.desk.number).toBeEditable();
});

test('a caller who gives up stops the ringing', async ({ agent, colleague }) => {
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.is('ringing');
  await agent.desk.end.click();
  await Promise.all([agent.desk.is('ready'), colleague.desk.is('ready')]);
  await expect(colleague.desk.incoming).toBeHidden();
});

test('an unknown number says so', async ({ agent }) => {
  await agent.desk.dial('9999');
  await agent.desk.says(/9999 is not a known number/);
  await agent.desk.is('ready', 15_000);
});

test('a line in a call is busy to a third', async ({ agent, colleague, caller }) => {
  await converse(agent, colleague);
  await caller.desk.dial(LINES.alice);
  await caller.desk.says(/busy/i);
  await caller.desk.is('ready', 15_000);
  await expectConversation(agent, colleague);
});

test('a line without a phone is said to be away', async ({ agent }) => {
  await agent.desk.dial(LINES.carla);
  await agent.desk.says(/cannot be reached/i);
  await agent.desk.is('ready', 15_000);
});

test('the own number is not called', async ({ agent }) => {
  await agent.desk.dial(LINES.alice);
  await agent.desk.says(/busy|yourself|own number/i);
  await agent.desk.is('ready', 15_000);
});

test('two pairs talk at once and do not hear each other', async ({ agent, colleague, caller, supervisor }) => {
  await converse(agent, colleague);
  await converse(caller, supervisor);
  await expectConversation(agent, colleague);
  await expectConversation(caller, supervisor);
  for (const [listener, strangers] of [
    [agent, [caller, supervisor]],
    [supervisor, [agent, colleague]],
  ] as const) {
    for (const stranger of strangers) await expectNoTone(listener.page, stranger.hertz);
  }
});
