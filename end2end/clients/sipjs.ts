import { type Session, Web } from 'sip.js';
import { openAccount, type Phone, player, show } from './session';

/** A softphone on the session manager of SIP.js, which keeps a call on hold beside another. */
class SipJsPhone implements Phone {
  private manager: Web.SessionManager | undefined;
  private session: Session | undefined;
  /** The call that is held while another is made. */
  private held: Session | undefined;
  private domain = '';

  async register(server: string, login: string, password: string, displayName: string): Promise<void> {
    const account = await openAccount(server, login, password);
    this.domain = account.domain;
    const manager = new Web.SessionManager(account.sipUrl, {
      aor: `sip:${account.name}@${account.domain}`,
      media: { constraints: { audio: true, video: false }, remote: () => ({ audio: player() }) },
      userAgentOptions: { authorizationUsername: account.name, authorizationPassword: account.password, displayName, logLevel: 'warn' },
      registererOptions: { expires: 60 },
    });
    this.manager = manager;
    await manager.connect();
    await new Promise<void>((done, failed) => {
      manager.delegate = {
        onRegistered: () => done(),
        onUnregistered: () => failed(new Error('registration was refused')),
        onCallCreated: (session) => {
          this.session = session;
          show('calling');
        },
        onCallReceived: () => show('ringing'),
        onCallAnswered: () => show('in call'),
        onCallHangup: () => show('ended'),
        onCallHold: (_, held) => show(held ? 'on hold' : 'in call'),
        onCallDTMFReceived: (_, key) => {
          document.title = `key ${key}`;
        },
      };
      manager.register().catch(failed);
    });
    show('registered');
  }

  async call(number: string): Promise<void> {
    await this.manager?.call(`sip:${number}@${this.domain}`);
  }

  async answer(): Promise<void> {
    if (this.session) await this.manager?.answer(this.session);
  }

  async hold(): Promise<void> {
    if (this.session) await this.manager?.hold(this.session);
  }

  async resume(): Promise<void> {
    if (this.session) await this.manager?.unhold(this.session);
  }

  async hangUp(): Promise<void> {
    if (this.session) await this.manager?.hangup(this.session);
  }

  async transfer(number: string): Promise<void> {
    if (this.session) await this.manager?.transfer(this.session, `sip:${number}@${this.domain}`);
  }

  async consult(number: string): Promise<void> {
    this.held = this.session;
    await this.call(number);
  }

  async complete(): Promise<void> {
    if (this.held && this.session) await this.manager?.transfer(this.held, this.session);
  }

  async press(key: string): Promise<void> {
    if (this.session) await this.manager?.sendDTMF(this.session, key);
  }

  pressBeside(key: string): void {
    if (!this.session?.sessionDescriptionHandler?.sendDtmf(key)) throw new Error('SIP.js sends no such event');
  }
}

window.phone = new SipJsPhone();
show('offline');
