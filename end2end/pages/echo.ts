import { expect, type Locator, type Page } from '@playwright/test';

/** The sound test at `/echo`, for anyone, without a login. */
export class EchoPage {
  readonly main: Locator;
  readonly start: Locator;
  readonly stop: Locator;
  readonly runAgain: Locator;
  readonly copy: Locator;
  readonly result: Locator;
  readonly sentLevel: Locator;
  readonly returnedLevel: Locator;
  readonly details: Locator;
  readonly heard: Locator;

  constructor(readonly page: Page) {
    this.main = page.getByRole('main');
    this.start = page.getByRole('button', { name: 'Start the test', exact: true });
    this.stop = page.getByRole('button', { name: 'Stop', exact: true });
    this.runAgain = page.getByRole('button', { name: 'Run again', exact: true });
    this.copy = page.getByRole('button', { name: 'Copy for support', exact: true });
    this.result = page.locator('[data-result]');
    this.sentLevel = page.getByRole('meter', { name: 'Sent level', exact: true });
    this.returnedLevel = page.getByRole('meter', { name: 'Returned level', exact: true });
    this.details = page.getByRole('table', { name: 'Figures of this test', exact: true });
    this.heard = page.locator('[data-echo]');
  }

  async open(url: string): Promise<void> {
    await this.page.goto(`${url}/echo`);
    await expect(this.main).toHaveAttribute('data-state', 'start');
  }

  /** One of the three lights of the result. */
  light(name: 'microphone' | 'network' | 'sound'): Locator {
    return this.page.locator(`[data-light=${name}]`);
  }

  async openDetails(): Promise<void> {
    await this.page.getByText('Details', { exact: true }).click();
    await this.details.waitFor();
  }

  /** The figure beside this name in the details. */
  figure(name: string): Locator {
    return this.details.getByRole('row').filter({ has: this.page.getByRole('rowheader', { name, exact: true }) }).getByRole('cell');
  }
}
