use super::*;
use crate::proto::limits::CHUNK_BYTES_MAX;
use crate::proto::violation::Violation;

fn want(path: &str) -> Want {
    let path = RelPath::new(path.as_bytes()).expect("legal");
    Want::whole(path.clone(), Digest::of_content(path.as_bytes()))
}

fn wants() -> Vec<Want> {
    let offer = Offer { cutter: Cutter::Content, pieces: vec![1, 2, u64::MAX] };
    let ranged = Want { offset: 1 << 40, bytes: 177, offer: Some(offer), ..want("a/b/large") };
    let unknown = Want { content: Digest::UNKNOWN, ..want("a/b/quick") };
    let again = Want { offset: 9, offer: None, ..ranged.clone() };
    vec![want("a/b/c"), want("a/b"), ranged, again, unknown, want("z"), want("last")]
}

/// An answer to [`wants`] with one of each form.
fn answer() -> Vec<u8> {
    let wants = wants();
    let other = Digest::of_content(b"other");
    let parts: [&[u8]; 16] = [
        &whole_file(&wants[0], 3, wants[0].content, None),
        b"abc",
        &end(&Verdict::Gone),
        &head(&wants[2], (1 << 40) + 1000, wants[2].content),
        &known(1, 2, 100),
        &chunk(70, Some(5)),
        b"12345",
        &chunk(7, None),
        b"1234567",
        &end(&Verdict::Whole),
        &end(&Verdict::Missing),
        &head(&wants[4], 9, other),
        &end(&Verdict::Changed),
        &end(&Verdict::Unreadable("no permission".into())),
        &whole_file(&wants[6], 9, other, Some(2)),
        b"xy",
    ];
    parts.concat()
}

fn decode(bytes: &[u8], step: usize) -> Result<Vec<Reply>, Violation> {
    let mut decoder = Decoder::new(&wants());
    let mut replies = Vec::new();
    for piece in bytes.chunks(step) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(reply) = decoder.poll()? {
            replies.push(reply);
        }
    }
    decoder.finish()?;
    Ok(replies)
}

#[test]
fn a_request_comes_back_and_survives_damage() {
    let bytes = encode_request(&wants());
    assert_eq!(decode_request(&bytes), Ok(Request::Wants(wants())));
    for end in 0..bytes.len() {
        assert!(decode_request(&bytes[..end]).is_err(), "{end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = decode_request(&flipped);
    }
    assert_eq!(decode_request(&[bytes, vec![0]].concat()), Err(Violation::Trailing("request")));
    assert!(decode_request(&[0, 1, 0, 0, 4, b'.', b'.', b'/', b'x']).is_err());
    assert!(decode_request(&[0, 1, 0, 0, 0]).is_err());
    // The first want has none before it.
    assert!(decode_request(&[0, 1, 16]).is_err());
    assert!(decode_request(&[2]).is_err());
}

#[test]
fn an_answer_comes_back_in_pieces_of_any_length() {
    let replies = decode(&answer(), usize::MAX).expect("legal");
    let wants = wants();
    let data = |zstd, raw_bytes, data: &'static [u8]| Reply::Chunk { zstd, raw_bytes, data: Bytes::from_static(data) };
    let other = Digest::of_content(b"other");
    let expected = [
        Reply::Head { size: 3, content: wants[0].content, bytes: 3 },
        data(false, 3, b"abc"),
        Reply::End(Verdict::Whole),
        Reply::End(Verdict::Gone),
        Reply::Head { size: (1 << 40) + 1000, content: wants[2].content, bytes: 177 },
        Reply::Known { first: 1, count: 2, bytes: 100 },
        data(true, 70, b"12345"),
        data(false, 7, b"1234567"),
        Reply::End(Verdict::Whole),
        Reply::End(Verdict::Missing),
        Reply::Head { size: 9, content: other, bytes: 9 },
        Reply::End(Verdict::Changed),
        Reply::End(Verdict::Unreadable("no permission".into())),
        Reply::Head { size: 9, content: other, bytes: 9 },
        data(true, 9, b"xy"),
        Reply::End(Verdict::Whole),
    ];
    assert_eq!(replies, expected);
    for step in 1..60 {
        assert_eq!(decode(&answer(), step).as_deref(), Ok(&expected[..]), "{step}");
    }
}

#[test]
fn truncated_prolonged_and_flipped_answers_are_violations_at_worst() {
    let bytes = answer();
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end], 7).is_err(), "{end}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = decode(&flipped, 11);
    }
    assert_eq!(decode(&[bytes, vec![WHOLE]].concat(), 9), Err(Violation::Trailing("answer")));
}

#[test]
fn sums_limits_and_order_are_checked() {
    let wants = wants();
    let head = || head(&wants[0], 10, wants[0].content);
    let too_large = chunk(CHUNK_BYTES_MAX as u32 + 1, None);
    let large_head = super::head(&wants[0], 1 << 30, wants[0].content);
    for bad in [
        [&head()[..], &chunk(11, None), b"12345678901"].concat(),
        [&head()[..], &end(&Verdict::Whole)].concat(),
        [&head()[..], &end(&Verdict::Gone)].concat(),
        [&head()[..], &end(&Verdict::Missing)].concat(),
        [&head()[..], &chunk(0, None)].concat(),
        [&head()[..], &known(0, 1, 1)].concat(),
        [&head()[..], &head()].concat(),
        [&large_head[..], &too_large].concat(),
        chunk(1, None).to_vec(),
        end(&Verdict::Whole).to_vec(),
        whole_file(&wants[0], CHUNK_BYTES_MAX as u64 + 1, wants[0].content, None).to_vec(),
        vec![0],
        vec![WHOLE | NAMED],
        vec![UNREADABLE, 0xff, 0xff, 1],
    ] {
        let mut decoder = Decoder::new(&wants);
        decoder.push(Bytes::from(bad.clone()));
        while let Ok(Some(_)) = decoder.poll() {}
        assert!(decoder.poll().is_err(), "{bad:?}");
    }
}

#[test]
fn pieces_that_were_not_offered_or_do_not_fit_are_a_violation() {
    let wants = [wants().remove(2)];
    for bad in [
        known(0, 4, 100),
        known(3, 1, 10),
        known(u32::MAX, u32::MAX, 10),
        known(0, 0, 10),
        known(0, 1, 178),
        known(0, 3, 2),
    ] {
        let mut decoder = Decoder::new(&wants);
        decoder.push(Bytes::from([&head(&wants[0], 1 << 41, wants[0].content)[..], &bad].concat()));
        while let Ok(Some(_)) = decoder.poll() {}
        assert!(decoder.poll().is_err(), "{:?}", &bad[..]);
    }
}

#[test]
fn data_is_shared_with_what_was_pushed() {
    let wants = [want("small"), want("large")];
    let large = vec![7; 300_000];
    let parts: [&[u8]; 6] = [
        &whole_file(&wants[0], 5, wants[0].content, None),
        b"small",
        &head(&wants[1], 300_000, wants[1].content),
        &chunk(300_000, None),
        &large,
        &end(&Verdict::Whole),
    ];
    let stream = Bytes::from(parts.concat());
    let mut decoder = Decoder::new(&wants);
    let mut raw = 0;
    for start in (0..stream.len()).step_by(100_000) {
        decoder.push(stream.slice(start..stream.len().min(start + 100_000)));
        while let Some(reply) = decoder.poll().expect("legal") {
            if let Reply::Chunk { data, raw_bytes, .. } = reply {
                assert!(stream.as_ptr_range().contains(&data.as_ptr()));
                assert_eq!(data.len(), raw_bytes as usize);
                raw += data.len();
            }
        }
        assert!(decoder.unread < 65_536);
    }
    assert_eq!((raw, decoder.finish()), (300_005, Ok(())));
}
