use softphone::{CallState, LineAccount, PhoneCall};
use timing::Instant;

use super::Desk;
use crate::command::Order;
use crate::notice::Level;
use crate::session::LineCard;

/// What the server tells.
impl Desk {
    pub(super) fn apply_cti(&mut self, event: cti::Event, now: Instant) {
        match event {
            cti::Event::LoggedOn => {
                self.link.logged_on(now);
                let line = cti::ConfigObject::Line;
                for command in [
                    cti::Command::GetConfig { object: line },
                    cti::Command::GetIceConfig,
                    cti::Command::GetCurrentCallsPhoneEvents,
                ] {
                    self.orders.push_back(Order::Cti(command));
                }
            }
            cti::Event::LoggedOnError(_) => {
                self.notices.say(Level::Error, "The server could not start your session.", now);
            }
            cti::Event::Error { error } => {
                self.notices.say(
                    Level::Warning,
                    format!("The server said: {}", crate::readable(&error)),
                    now,
                );
            }
            cti::Event::UserConfigUpdate(update) => {
                if let (Some(user), Some(name)) = (&mut self.user, update.full_name) {
                    user.full_name = crate::readable(&name);
                    user.is_agent = update.agent_id.is_some_and(|agent| agent.0 != 0);
                }
            }
            cti::Event::LineConfig(line) => self.line_configured(line),
            cti::Event::IceConfig(servers) => self.orders.push_back(Order::UseIceServers(servers)),
            cti::Event::PhoneEvent(event) => self.calls.server_changed(event, now),
            cti::Event::CurrentCallsPhoneEvents { events } => {
                self.calls_listed = true;
                self.calls.server_listed(events, now);
            }
            cti::Event::WebRtcCmd(command) => self.obey(command),
            // Presence, rights, voicemail and lists have no place on this desk yet.
            cti::Event::Ping
            | cti::Event::RightProfile(_)
            | cti::Event::UsersStatuses(_)
            | cti::Event::CtiStatuses(_)
            | cti::Event::UserStatusUpdate { .. }
            | cti::Event::UserPreference(_)
            | cti::Event::UserDisplayName { .. }
            | cti::Event::VoiceMailStatusUpdate(_)
            | cti::Event::PhoneStatusUpdate { .. }
            | cti::Event::EmptyList(_)
            | cti::Event::Other { .. } => {}
        }
    }

    pub(super) fn line_configured(&mut self, line: cti::LineConfig) {
        self.no_line = line.is_missing();
        if self.no_line {
            (self.line, self.account) = (None, None);
            return self.orders.push_back(Order::Phone(softphone::Command::Stop));
        }
        let in_browser = (line.web_rtc && !line.has_device) || line.ua;
        self.line = Some(LineCard { number: line.number, account: line.name.clone(), in_browser });
        if !in_browser {
            self.account = None;
            return self.orders.push_back(Order::Phone(softphone::Command::Stop));
        }
        // The name of a running registration stays: servers compare it.
        let kept = self.account.take().filter(|old| old.name == line.name).map(|old| old.display_name);
        let display_name = kept.or_else(|| self.user.as_ref().map(|user| user.full_name.clone()));
        self.account = Some(LineAccount {
            name: line.name,
            password: line.password,
            domain: LineAccount::domain_of(&line.sip_proxy_name),
            display_name: display_name.unwrap_or_default(),
        });
        self.start_phone();
    }

    /// The server wants the tab with the phone to act; the others let it pass.
    pub(super) fn obey(&mut self, command: cti::WebRtcCommand) {
        use cti::WebRtcCommand;
        let order = match command {
            WebRtcCommand::Answer { sip_call_id } => self
                .phone_call(sip_call_id, |call| call.state == CallState::Ringing)
                .map(|call| softphone::Command::Answer { call: call.id }),
            WebRtcCommand::Hold { sip_call_id } => {
                self.phone_call(sip_call_id, PhoneCall::is_answered).map(|call| match call.state {
                    CallState::Held => softphone::Command::Resume { call: call.id },
                    _ => softphone::Command::Hold { call: call.id },
                })
            }
            WebRtcCommand::SendDtmf { sip_call_id, key } => self
                .phone_call(sip_call_id, |call| call.state == CallState::Established)
                .map(|call| softphone::Command::SendDtmf { call: call.id, key }),
            WebRtcCommand::ToggleMicrophone { sip_call_id } => self
                .phone_call(sip_call_id, |_| true)
                .map(|call| softphone::Command::Mute { call: call.id, on: !call.muted }),
            WebRtcCommand::Unknown { .. } => None,
        };
        self.orders.extend(order.map(Order::Phone));
    }

    /// The call of that dialog; without a Call-ID the first one that fits.
    pub(super) fn phone_call(
        &self,
        sip_call_id: Option<String>,
        fits: impl Fn(&PhoneCall) -> bool,
    ) -> Option<&PhoneCall> {
        self.calls.iter().filter_map(|entry| entry.phone.as_ref()).filter(|call| fits(call)).find(|call| {
            sip_call_id.as_deref().is_none_or(|wanted| call.sip_call_id.as_deref() == Some(wanted))
        })
    }
}
