import { DEMO_PASSWORD, ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { type DeskSeat, expect, type Seat, test, TONES } from '../fixtures/test';
import { expectSilence, expectTone } from '../fixtures/tone';
import { DeskPage } from '../pages/desk';
import { LoginPage } from '../pages/login';

/** A second tab beside a signed-in one. It is signed in already if tabs share the session, else it signs in. */
async function secondTab(seat: (options: { beside: Seat }) => Promise<Seat>, first: DeskSeat, url: string): Promise<DeskSeat> {
  const tab = await seat({ beside: first });
  const entrance = new LoginPage(tab.page);
  const desk = new DeskPage(tab.page);
  await tab.page.goto(url);
  await entrance.heading.or(desk.otherTab).first().waitFor();
  if (await entrance.heading.isVisible()) await entrance.signIn(first.login, DEMO_PASSWORD);
  return { ...tab, desk, login: first.login, hertz: first.hertz };
}

test('a second tab signs in as another agent, and the two talk', async ({ agent, hotdesk, seat }) => {
  const { page } = await seat({ beside: agent });
  const entrance = new LoginPage(page);
  const bruno = new DeskPage(page);
  await entrance.open(hotdesk.url);
  await entrance.signIn('bruno', DEMO_PASSWORD);
  await Promise.all([bruno.ready(), agent.desk.ready()]);

  await agent.desk.dial(LINES.bruno);
  await bruno.is('ringing');
  await bruno.answer.click();
  await Promise.all([agent.desk.is('on-call'), bruno.is('on-call')]);
  // The tabs of one browser have one microphone. What falls silent when the other one mutes came from the other one.
  const both = () => Promise.all([expectTone(agent.page, agent.hertz), expectTone(page, agent.hertz)]);
  await both();
  await agent.desk.mute.click();
  await expectSilence(page);
  await expectTone(agent.page, agent.hertz);
  await agent.desk.unmute.click();
  await both();
  await bruno.mute.click();
  await expectSilence(agent.page);
  await expectTone(page, agent.hertz);
  await bruno.unmute.click();
  await both();

  await bruno.end.click();
  await Promise.all([agent.desk.is('ready'), bruno.is('ready')]);
});

test('a second tab says that the phone is in the first, and takes it when asked', async ({ agent, hotdesk, seat }) => {
  const second = await secondTab(seat, agent, hotdesk.url);
  await expect(second.desk.otherTab).toBeVisible();
  await second.desk.linkIs('events', 'good');
  await agent.desk.ready();
  await expect(agent.desk.otherTab).toBeHidden();

  await second.desk.usePhoneHere.click();
  await second.desk.ready();
  await expect(second.desk.otherTab).toBeHidden();
  await expect(agent.desk.otherTab).toBeVisible();
  await second.desk.dial(ECHO_NUMBER);
  await expectTone(second.page, second.hertz);
});

test('both tabs show a call; answered in either, the tab that has the phone speaks', async ({ agent, colleague, hotdesk, seat }) => {
  const second = await secondTab(seat, agent, hotdesk.url);
  await expect(second.desk.otherTab).toBeVisible();
  await colleague.desk.dial(LINES.alice);
  await expect(agent.desk.answer).toBeVisible();
  await second.desk.answer.click();
  await expectTone(agent.page, colleague.hertz);
});

test('the first tab closed, the second takes the phone by itself', async ({ agent, colleague, hotdesk, seat }) => {
  const second = await secondTab(seat, agent, hotdesk.url);
  await expect(second.desk.otherTab).toBeVisible();
  await agent.page.close();
  await second.desk.ready();
  await colleague.desk.dial(LINES.alice);
  await second.desk.is('ringing');
  await second.desk.answer.click();
  await expectTone(second.page, colleague.hertz);
  await expectTone(colleague.page, TONES.alice);
});

test('the same user in another browser does not lose a call', async ({ agent, colleague, hotdesk, seat }) => {
  const { page } = await seat({ microphone: { kind: 'tone', hertz: TONES.alice } });
  const entrance = new LoginPage(page);
  const elsewhere = new DeskPage(page);
  await entrance.open(hotdesk.url);
  await entrance.signIn('alice', DEMO_PASSWORD);
  await elsewhere.linkIs('events', 'good');

  await colleague.desk.dial(LINES.alice);
  const here = agent.desk.answer;
  const there = elsewhere.answer;
  await expect.poll(async () => (await here.isVisible()) || (await there.isVisible())).toBe(true);
  const taken = (await here.isVisible()) ? agent.desk : elsewhere;
  const other = taken === agent.desk ? elsewhere : agent.desk;
  await taken.answer.click();
  await taken.is('on-call');
  await expect(other.answer).toBeHidden();
  await expectTone(taken.page, colleague.hertz);
});
