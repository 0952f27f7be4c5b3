import { expect, type Locator, type Page } from '@playwright/test';

/** What the desk says an agent is doing: `main[data-state]`. */
export type DeskState = 'ready' | 'ringing' | 'dialling' | 'on-call' | 'on-hold' | 'phone-lost';

/** How well a connection does: `data-tone` of its item in the status bar. */
export type LinkTone = 'good' | 'busy' | 'bad' | 'off';

/** The desk of one signed-in user. */
export class DeskPage {
  readonly heading: Locator;
  readonly main: Locator;
  readonly number: Locator;
  readonly call: Locator;
  readonly testCall: Locator;
  readonly incoming: Locator;
  readonly answer: Locator;
  readonly decline: Locator;
  readonly card: Locator;
  readonly callTime: Locator;
  readonly mute: Locator;
  readonly unmute: Locator;
  readonly hold: Locator;
  readonly resume: Locator;
  readonly keypad: Locator;
  readonly end: Locator;
  readonly account: Locator;
  readonly leave: Locator;
  readonly connectionBanner: Locator;
  readonly retryNow: Locator;
  readonly otherTab: Locator;
  readonly usePhoneHere: Locator;
  readonly microphoneProblem: Locator;
  readonly soundBlocked: Locator;
  readonly polite: Locator;
  readonly urgent: Locator;

  constructor(readonly page: Page) {
    const button = (name: string) => page.getByRole('button', { name, exact: true });
    this.heading = page.getByRole('heading', { level: 1 });
    this.main = page.getByRole('main');
    this.number = page.getByLabel('Number', { exact: true });
    this.call = button('Call');
    this.testCall = button('Test call');
    this.incoming = page.getByRole('alertdialog', { name: /^Incoming call from/ });
    this.answer = button('Answer');
    this.decline = button('Decline');
    this.card = page.getByRole('region', { name: /^Call with/ });
    this.callTime = page.getByRole('timer', { name: 'Call time' });
    this.mute = button('Mute');
    this.unmute = button('Unmute');
    this.hold = button('Hold');
    this.resume = button('Resume');
    this.keypad = button('Keypad');
    this.end = button('End');
    this.account = page.getByRole('button', { name: /^Account/ });
    this.leave = button('Sign out');
    this.connectionBanner = page.getByRole('region', { name: 'Connection', exact: true });
    this.retryNow = button('Retry now');
    this.otherTab = page.getByRole('region', { name: 'Other tab', exact: true });
    this.usePhoneHere = button('Use the phone here');
    this.microphoneProblem = page.getByRole('region', { name: 'Microphone problem', exact: true });
    this.soundBlocked = button('Sound is blocked – click to allow');
    this.polite = page.locator('#announcer-polite');
    this.urgent = page.locator('#announcer-urgent');
  }

  /** One of the three connections of the status bar. */
  link(name: 'events' | 'phone' | 'audio'): Locator {
    return this.page.locator(`[data-link=${name}]`);
  }

  /** Waits until calls can be made and taken here. */
  async ready(timeout = 20_000): Promise<void> {
    await this.linkIs('events', 'good', timeout);
    await this.linkIs('phone', 'good', timeout);
  }

  async linkIs(name: 'events' | 'phone' | 'audio', tone: LinkTone, timeout = 15_000): Promise<void> {
    await expect(this.link(name)).toHaveAttribute('data-tone', tone, { timeout });
  }

  async is(state: DeskState, timeout = 15_000): Promise<void> {
    await expect(this.main).toHaveAttribute('data-state', state, { timeout });
  }

  /** Waits until the page says something like this, wherever its reader sees it. */
  async says(words: RegExp): Promise<void> {
    await expect(this.page.getByText(words).filter({ visible: true }).first()).toBeVisible();
  }

  async dial(number: string): Promise<void> {
    await this.number.fill(number);
    await this.call.click();
  }

  /** Presses one key of the keypad in the call. */
  async press(key: string): Promise<void> {
    const name = key === '*' ? 'star' : key === '#' ? 'hash' : key;
    await this.page.getByRole('group', { name: 'Call keypad' }).getByRole('button', { name, exact: true }).click();
  }

  async signOut(): Promise<void> {
    await this.account.click();
    await this.leave.click();
  }
}
