//! Every fault that a peer can commit, by name.
//!
//! Handlers anywhere in the engine answer with a [`Violation`]; one function turns it into RST_STREAM or GOAWAY. What
//! that function must know stands in one row of the table below: how far the fault reaches, which code answers it and
//! which section it breaks.

use core::fmt;

use crate::id::ErrorCode;

/// How much of the connection a fault takes with it (RFC 9113 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One stream: answered by RST_STREAM.
    Stream,
    /// The whole connection: answered by GOAWAY.
    Connection,
}

macro_rules! violations {
    ($($name:ident $scope:ident $code:ident $section:literal $text:literal;)*) => {
        /// A fault of the peer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Violation {
            $(#[doc = concat!($text, " (", $section, ")")] $name,)*
        }

        impl Violation {
            /// Every violation, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Whether the fault ends one stream or the connection.
            #[must_use]
            pub const fn scope(self) -> Scope {
                match self {
                    $(Self::$name => Scope::$scope,)*
                }
            }

            /// The code that RST_STREAM or GOAWAY answers with.
            #[must_use]
            pub const fn error_code(self) -> ErrorCode {
                match self {
                    $(Self::$name => ErrorCode::$code,)*
                }
            }

            /// The section that was broken, or that allows the limit.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self {
                    $(Self::$name => $section,)*
                }
            }

            /// The fault as one sentence.
            const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

violations! {
    // Preface and framing.
    PrefaceMissing Connection PROTOCOL_ERROR "RFC 9113 §3.4" "the connection does not begin with the client preface";
    FirstFrameNotSettings Connection PROTOCOL_ERROR "RFC 9113 §3.4" "the first frame is not SETTINGS";
    FrameTooLarge Connection FRAME_SIZE_ERROR "RFC 9113 §4.2" "a frame is larger than the advertised maximum";
    DataFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §4.2" "a padded DATA frame has no room for its pad length";
    HeadersFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §4.2" "a HEADERS frame has no room for its fixed fields";
    PriorityFrameSize Stream FRAME_SIZE_ERROR "RFC 9113 §6.3" "a PRIORITY frame is not 5 bytes long";
    RstStreamFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §6.4" "a RST_STREAM frame is not 4 bytes long";
    SettingsFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §6.5" "the length of a SETTINGS frame is not a multiple of 6";
    PushPromiseFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §4.2" "a PUSH_PROMISE frame has no room for its fixed fields";
    PingFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §6.7" "a PING frame is not 8 bytes long";
    PriorityUpdateFrameSize Connection FRAME_SIZE_ERROR "RFC 9218 §7.1" "a PRIORITY_UPDATE frame has no room for its fixed field";
    GoAwayFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §4.2" "a GOAWAY frame has no room for its fixed fields";
    WindowUpdateFrameSize Connection FRAME_SIZE_ERROR "RFC 9113 §6.9" "a WINDOW_UPDATE frame is not 4 bytes long";
    DataOnStreamZero Connection PROTOCOL_ERROR "RFC 9113 §6.1" "a DATA frame names stream zero";
    HeadersOnStreamZero Connection PROTOCOL_ERROR "RFC 9113 §6.2" "a HEADERS frame names stream zero";
    PriorityOnStreamZero Connection PROTOCOL_ERROR "RFC 9113 §6.3" "a PRIORITY frame names stream zero";
    RstStreamOnStreamZero Connection PROTOCOL_ERROR "RFC 9113 §6.4" "a RST_STREAM frame names stream zero";
    SettingsOnStream Connection PROTOCOL_ERROR "RFC 9113 §6.5" "a SETTINGS frame names a stream";
    PushPromiseOnStreamZero Connection PROTOCOL_ERROR "RFC 9113 §6.6" "a PUSH_PROMISE frame names stream zero";
    PingOnStream Connection PROTOCOL_ERROR "RFC 9113 §6.7" "a PING frame names a stream";
    PriorityUpdateOnStream Connection PROTOCOL_ERROR "RFC 9218 §7.1" "a PRIORITY_UPDATE frame names a stream in its head";
    GoAwayOnStream Connection PROTOCOL_ERROR "RFC 9113 §6.8" "a GOAWAY frame names a stream";
    PaddingTooLong Connection PROTOCOL_ERROR "RFC 9113 §6.1" "the padding is as long as the payload, or longer";

    // Header blocks.
    ContinuationUnexpected Connection PROTOCOL_ERROR "RFC 9113 §6.10" "a CONTINUATION frame follows no open header block";
    ContinuationExpected Connection PROTOCOL_ERROR "RFC 9113 §6.10" "another frame interrupts a header block";
    ContinuationFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5.1" "a header block has too many CONTINUATION frames";
    EmptyContinuationFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5.1" "a header block has too many empty CONTINUATION frames";
    HeaderBlockTooLarge Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5.1" "a header block is far larger than any list that would be accepted";

    // Settings.
    SettingsAckWithPayload Connection FRAME_SIZE_ERROR "RFC 9113 §6.5" "an acknowledgement of SETTINGS has a payload";
    SettingsTooMany Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "a SETTINGS frame has too many entries";
    SettingEnablePushInvalid Connection PROTOCOL_ERROR "RFC 9113 §6.5.2" "SETTINGS_ENABLE_PUSH is neither 0 nor 1";
    SettingEnablePushByServer Connection PROTOCOL_ERROR "RFC 9113 §6.5.2" "a server sent SETTINGS_ENABLE_PUSH with the value 1";
    SettingInitialWindowTooLarge Connection FLOW_CONTROL_ERROR "RFC 9113 §6.5.2" "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1";
    SettingMaxFrameSizeInvalid Connection PROTOCOL_ERROR "RFC 9113 §6.5.2" "SETTINGS_MAX_FRAME_SIZE is outside 2^14 to 2^24-1";
    SettingConnectProtocolInvalid Connection PROTOCOL_ERROR "RFC 8441 §3" "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1";
    SettingConnectProtocolWithdrawn Connection PROTOCOL_ERROR "RFC 8441 §3" "SETTINGS_ENABLE_CONNECT_PROTOCOL went from 1 back to 0";
    SettingNoPrioritiesInvalid Connection PROTOCOL_ERROR "RFC 9218 §2.1" "SETTINGS_NO_RFC7540_PRIORITIES is neither 0 nor 1";
    SettingNoPrioritiesChanged Connection PROTOCOL_ERROR "RFC 9218 §2.1" "SETTINGS_NO_RFC7540_PRIORITIES changed after the first SETTINGS";

    // Push, flow control.
    PushPromiseReceived Connection PROTOCOL_ERROR "RFC 9113 §6.6" "a PUSH_PROMISE frame came although push is disabled";
    PromisedStreamInvalid Connection PROTOCOL_ERROR "RFC 9113 §6.6" "a PUSH_PROMISE frame promises a stream that no server can open";
    WindowUpdateZeroOnStream Stream PROTOCOL_ERROR "RFC 9113 §6.9" "a WINDOW_UPDATE of zero came for a stream";
    WindowUpdateZeroOnConnection Connection PROTOCOL_ERROR "RFC 9113 §6.9" "a WINDOW_UPDATE of zero came for the connection";
    StreamWindowOverflow Stream FLOW_CONTROL_ERROR "RFC 9113 §6.9.1" "a stream's window was raised above 2^31-1";
    ConnectionWindowOverflow Connection FLOW_CONTROL_ERROR "RFC 9113 §6.9.1" "the connection's window was raised above 2^31-1";
    InitialWindowOverflow Connection FLOW_CONTROL_ERROR "RFC 9113 §6.9.2" "a new initial window raises a stream's window above 2^31-1";
    StreamWindowExceeded Stream FLOW_CONTROL_ERROR "RFC 9113 §6.9.1" "more data came than the stream's window allows";
    ConnectionWindowExceeded Connection FLOW_CONTROL_ERROR "RFC 9113 §6.9.1" "more data came than the connection's window allows";

    // Streams.
    IdleStreamFrame Connection PROTOCOL_ERROR "RFC 9113 §5.1" "a frame names a stream that was never opened";
    StreamIdParity Connection PROTOCOL_ERROR "RFC 9113 §5.1.1" "a stream was opened with an identifier of the other side";
    StreamIdNotIncreasing Connection PROTOCOL_ERROR "RFC 9113 §5.1.1" "a stream was opened with an identifier that is not above the last one";
    StreamClosedFrame Stream STREAM_CLOSED "RFC 9113 §5.1" "a frame came on a stream after its end";
    StreamClosedConnection Connection STREAM_CLOSED "RFC 9113 §5.1" "a frame came on a stream that both sides had ended";
    // RFC 9113 §8.7: REFUSED_STREAM is for what the application has not seen.
    StreamLimitExceeded Stream REFUSED_STREAM "RFC 9113 §5.1.2" "more streams were opened than SETTINGS_MAX_CONCURRENT_STREAMS allows";
    PriorityUpdateFromServer Connection PROTOCOL_ERROR "RFC 9218 §7.1" "a server sent a PRIORITY_UPDATE frame";
    PriorityUpdateStreamInvalid Connection PROTOCOL_ERROR "RFC 9218 §7.1" "a PRIORITY_UPDATE frame prioritizes stream zero or one that no client opens";

    // HPACK.
    HpackDecodeFailed Connection COMPRESSION_ERROR "RFC 9113 §4.3" "a header block cannot be decoded";
    HeaderListTooLarge Stream ENHANCE_YOUR_CALM "RFC 9113 §10.5.1" "a field section is larger than the advertised maximum";

    // Messages.
    PseudoFieldMissing Stream PROTOCOL_ERROR "RFC 9113 §8.3" "a mandatory pseudo-field is missing";
    PseudoFieldDuplicate Stream PROTOCOL_ERROR "RFC 9113 §8.3" "a pseudo-field occurs twice";
    PseudoFieldUnknown Stream PROTOCOL_ERROR "RFC 9113 §8.3" "a pseudo-field is not defined";
    PseudoFieldAfterRegular Stream PROTOCOL_ERROR "RFC 9113 §8.3" "a pseudo-field follows a regular field";
    PseudoFieldInTrailers Stream PROTOCOL_ERROR "RFC 9113 §8.1" "trailers contain a pseudo-field";
    PseudoFieldWrongDirection Stream PROTOCOL_ERROR "RFC 9113 §8.3" "a request has a pseudo-field of responses, or a response one of requests";
    FieldNameInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.2.1" "a field name is empty or contains a forbidden character";
    FieldNameUppercase Stream PROTOCOL_ERROR "RFC 9113 §8.2.1" "a field name contains an uppercase letter";
    FieldValueInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.2.1" "a field value contains a forbidden character, or white space at an end";
    ConnectionSpecificField Stream PROTOCOL_ERROR "RFC 9113 §8.2.2" "a field belongs to HTTP/1.1 connections only";
    TeNotTrailers Stream PROTOCOL_ERROR "RFC 9113 §8.2.2" "the field te has a value other than trailers";
    ContentLengthInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.1.1" "content-length is not a number, or has two values";
    ContentLengthForbidden Stream PROTOCOL_ERROR "RFC 9110 §8.6" "content-length stands where it must not: in 1xx, 204, a 2xx to CONNECT or trailers";
    ContentLengthMismatch Stream PROTOCOL_ERROR "RFC 9113 §8.1.1" "the data does not add up to content-length";
    MethodInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.3.1" "the method is not a token";
    SchemeInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.3.1" "the scheme is not one";
    PathEmpty Stream PROTOCOL_ERROR "RFC 9113 §8.3.1" "the path of an http or https request is empty";
    PathInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.3.1" "the path neither begins with a slash nor is the asterisk of OPTIONS";
    AuthorityInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.3.1" "the authority is empty, has user information or is not one, or CONNECT has no port in it";
    HostMismatch Stream PROTOCOL_ERROR "RFC 9113 §8.3.1" "host occurs twice, or differs from the authority";
    ConnectMalformed Stream PROTOCOL_ERROR "RFC 9113 §8.5" "CONNECT has the wrong pseudo-fields, or another method has :protocol";
    TunnelFieldSection Stream PROTOCOL_ERROR "RFC 9113 §8.5" "a field section came on a stream that CONNECT has made a tunnel";
    ConnectProtocolDisabled Stream PROTOCOL_ERROR "RFC 8441 §4" "an extended CONNECT came although it is not enabled";
    StatusInvalid Stream PROTOCOL_ERROR "RFC 9113 §8.3.2" "the status is not a number of three digits that HTTP allows";
    InformationalEndsStream Stream PROTOCOL_ERROR "RFC 9113 §8.1" "an informational response ends the stream";
    SwitchingProtocols Stream PROTOCOL_ERROR "RFC 9113 §8.6" "the status is 101, which HTTP/2 does not have";
    TooManyInformational Stream ENHANCE_YOUR_CALM "RFC 9113 §10.5" "too many informational responses came before the final one";
    DataBeforeHeaders Stream PROTOCOL_ERROR "RFC 9113 §8.1" "data came before the head of the message";
    TrailersWithoutEndStream Stream PROTOCOL_ERROR "RFC 9113 §8.1" "trailers do not end the stream";

    // Abuse and silence.
    PingFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer sends PING frames too fast";
    SettingsFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer sends SETTINGS frames too fast";
    ResetFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer opens and resets streams too fast";
    StreamErrorFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer makes this side reset streams too fast";
    EmptyDataFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer sends empty DATA frames too fast";
    WindowUpdateFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer sends WINDOW_UPDATE frames too fast";
    PriorityFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer sends PRIORITY frames too fast";
    UnknownFrameFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer sends frames of unknown kinds too fast";
    GoAwayFlood Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer sends GOAWAY frames too fast";
    HeaderTotalTooLarge Stream REFUSED_STREAM "RFC 9113 §10.5" "the field sections of all streams together are larger than this side keeps";
    HeaderTotalExceeded Stream ENHANCE_YOUR_CALM "RFC 9113 §10.5.1" "a response or trailers make the field sections of all streams together larger than this side keeps";
    HandshakeTimeout Connection PROTOCOL_ERROR "RFC 9113 §3.4" "the peer did not send its preface in time";
    SettingsTimeout Connection SETTINGS_TIMEOUT "RFC 9113 §6.5.3" "the peer did not acknowledge SETTINGS in time";
    HeaderBlockTimeout Connection ENHANCE_YOUR_CALM "RFC 9113 §10.5" "the peer did not finish a header block in time";
    StreamStalled Stream CANCEL "RFC 9113 §10.5" "the peer's windows held a message back for too long";
    WriteTimeout Connection NO_ERROR "RFC 9113 §10.5" "the transport did not take the output in time";
    PingTimeout Connection NO_ERROR "RFC 9113 §6.7" "the peer did not answer a PING in time";
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn every_row_names_a_section_a_code_and_one_sentence() {
        for (at, &violation) in Violation::ALL.iter().enumerate() {
            let section = violation.section();
            assert!(
                section.starts_with("RFC ") && section.contains(" §"),
                "{violation:?}: {section}"
            );
            assert!(violation.error_code().name().is_some());
            let text = format!("{violation}");
            assert!(
                !text.is_empty() && !text.ends_with('.') && !text.contains(". "),
                "{text}"
            );
            assert!(
                !Violation::ALL[..at]
                    .iter()
                    .any(|other| other.text() == text),
                "said twice: {text}"
            );
        }
    }

    // RFC 9113 §5.4.1: a lost compression or window state cannot be confined to a stream.
    #[test]
    fn compression_faults_reach_the_whole_connection() {
        for &violation in Violation::ALL {
            if violation.error_code() == ErrorCode::COMPRESSION_ERROR {
                assert_eq!(violation.scope(), Scope::Connection);
            }
        }
    }
}
