//! RFC 9113 §7, and §5.4: which code answers a fault, and how much of the connection it takes with it. Written from the
//! sections and not from the engine's table, which `tests/tests/violations.rs` plays row by row.

use raddle_core::{ErrorCode, Scope, Violation};

use Scope::{Connection, Stream};

/// Faults of frames and of what they say of the connection.
fn of_frames(violation: Violation) -> Option<(Scope, ErrorCode)> {
    use Violation as V;
    Some(match violation {
        // §3.4: an invalid preface is a connection error of type PROTOCOL_ERROR.
        V::PrefaceMissing | V::FirstFrameNotSettings | V::HandshakeTimeout => {
            (Connection, ErrorCode::PROTOCOL_ERROR)
        }
        // §6.3: "a PRIORITY frame with a length other than 5 octets MUST be treated as a stream error".
        V::PriorityFrameSize => (Stream, ErrorCode::FRAME_SIZE_ERROR),
        // §4.2: too long, or too short for what it must hold. What could alter the state of the connection ends it, and
        // field blocks do; we make no difference between those and DATA.
        V::FrameTooLarge
        | V::DataFrameSize
        | V::HeadersFrameSize
        | V::PushPromiseFrameSize
        | V::GoAwayFrameSize
        // §6.4, §6.5, §6.7, §6.9 and RFC 9218 §7.1: fixed lengths.
        | V::RstStreamFrameSize
        | V::SettingsFrameSize
        | V::SettingsAckWithPayload
        | V::PingFrameSize
        | V::WindowUpdateFrameSize
        | V::PriorityUpdateFrameSize => (Connection, ErrorCode::FRAME_SIZE_ERROR),
        // §6.1 to §6.8: on stream 0, or on a stream, where the frame does not belong there.
        V::DataOnStreamZero
        | V::HeadersOnStreamZero
        | V::PriorityOnStreamZero
        | V::RstStreamOnStreamZero
        | V::SettingsOnStream
        | V::PushPromiseOnStreamZero
        | V::PingOnStream
        | V::PriorityUpdateOnStream
        | V::GoAwayOnStream
        // §6.1, §6.2: padding that exceeds the rest.
        | V::PaddingTooLong
        // §6.10, §6.2: a block in one row.
        | V::ContinuationUnexpected
        | V::ContinuationExpected
        // §6.5.2, RFC 8441 §3, RFC 9218 §2.1: values of settings.
        | V::SettingEnablePushInvalid
        | V::SettingEnablePushByServer
        | V::SettingMaxFrameSizeInvalid
        | V::SettingConnectProtocolInvalid
        | V::SettingConnectProtocolWithdrawn
        | V::SettingNoPrioritiesInvalid
        | V::SettingNoPrioritiesChanged
        // §6.6, §8.4: promises.
        | V::PushPromiseReceived
        | V::PromisedStreamInvalid
        // §6.9: an increment of 0 on the connection.
        | V::WindowUpdateZeroOnConnection
        // §5.1, §5.1.1: idle streams and identifiers.
        | V::IdleStreamFrame
        | V::StreamIdParity
        | V::StreamIdNotIncreasing
        // RFC 9218 §7.1.
        | V::PriorityUpdateFromServer
        | V::PriorityUpdateStreamInvalid => (Connection, ErrorCode::PROTOCOL_ERROR),
        // §4.3.
        V::HpackDecodeFailed => (Connection, ErrorCode::COMPRESSION_ERROR),
        _ => return None,
    })
}

/// Faults of streams and windows.
fn of_streams(violation: Violation) -> Option<(Scope, ErrorCode)> {
    use Violation as V;
    Some(match violation {
        // §6.5.2, §6.9.1, §6.9.2: windows.
        V::SettingInitialWindowTooLarge
        | V::ConnectionWindowOverflow
        | V::InitialWindowOverflow
        | V::ConnectionWindowExceeded => (Connection, ErrorCode::FLOW_CONTROL_ERROR),
        V::StreamWindowOverflow | V::StreamWindowExceeded => {
            (Stream, ErrorCode::FLOW_CONTROL_ERROR)
        }
        // §5.1: half-closed (remote) is a stream error, closed by END_STREAM a connection error.
        V::StreamClosedFrame => (Stream, ErrorCode::STREAM_CLOSED),
        V::StreamClosedConnection => (Connection, ErrorCode::STREAM_CLOSED),
        // §5.1.2 gives the choice of PROTOCOL_ERROR and this, which says that nothing was done; so with our own bound.
        V::StreamLimitExceeded | V::HeaderTotalTooLarge => (Stream, ErrorCode::REFUSED_STREAM),
        _ => return None,
    })
}

/// Faults of messages.
fn of_messages(violation: Violation) -> Option<(Scope, ErrorCode)> {
    use Violation as V;
    Some(match violation {
        // §8.1.1: malformed messages are stream errors of type PROTOCOL_ERROR; §6.9: so is an increment of 0.
        V::WindowUpdateZeroOnStream
        | V::PseudoFieldMissing
        | V::PseudoFieldDuplicate
        | V::PseudoFieldUnknown
        | V::PseudoFieldAfterRegular
        | V::PseudoFieldInTrailers
        | V::PseudoFieldWrongDirection
        | V::FieldNameInvalid
        | V::FieldNameUppercase
        | V::FieldValueInvalid
        | V::ConnectionSpecificField
        | V::TeNotTrailers
        | V::ContentLengthInvalid
        | V::ContentLengthForbidden
        | V::ContentLengthMismatch
        | V::MethodInvalid
        | V::SchemeInvalid
        | V::PathEmpty
        | V::PathInvalid
        | V::AuthorityInvalid
        | V::HostMismatch
        | V::ConnectMalformed
        | V::TunnelFieldSection
        | V::ConnectProtocolDisabled
        | V::StatusInvalid
        | V::InformationalEndsStream
        | V::SwitchingProtocols
        | V::DataBeforeHeaders
        | V::TrailersWithoutEndStream => (Stream, ErrorCode::PROTOCOL_ERROR),
        _ => return None,
    })
}

/// Limits of ours, and silence.
fn of_limits(violation: Violation) -> Option<(Scope, ErrorCode)> {
    use Violation as V;
    Some(match violation {
        // §7: "the peer is exhibiting a behavior that might be generating excessive load". HPACK stays in step, so that a
        // list that is too large costs its stream (§10.5.1).
        V::HeaderListTooLarge | V::HeaderTotalExceeded | V::TooManyInformational => {
            (Stream, ErrorCode::ENHANCE_YOUR_CALM)
        }
        V::ContinuationFlood
        | V::EmptyContinuationFlood
        | V::HeaderBlockTooLarge
        | V::HeaderBlockTimeout
        | V::SettingsTooMany
        | V::PingFlood
        | V::SettingsFlood
        | V::ResetFlood
        | V::StreamErrorFlood
        | V::EmptyDataFlood
        | V::WindowUpdateFlood
        | V::PriorityFlood
        | V::UnknownFrameFlood
        | V::GoAwayFlood => (Connection, ErrorCode::ENHANCE_YOUR_CALM),
        // §6.5.3.
        V::SettingsTimeout => (Connection, ErrorCode::SETTINGS_TIMEOUT),
        // No fault of the protocol: a stream that is not wanted any more, and a transport that is gone.
        V::StreamStalled => (Stream, ErrorCode::CANCEL),
        V::WriteTimeout | V::PingTimeout => (Connection, ErrorCode::NO_ERROR),
        _ => return None,
    })
}

#[test]
fn every_fault_has_the_code_and_the_scope_that_its_section_demands() {
    for &violation in Violation::ALL {
        let told = (violation.scope(), violation.error_code());
        // What the section demands; where it leaves a choice, what we have chosen. Each stands in one place.
        let demanded = [of_frames, of_streams, of_messages, of_limits];
        let demanded: Vec<_> = demanded.iter().filter_map(|of| of(violation)).collect();
        assert_eq!(demanded, [told], "{violation:?}");
    }
}
