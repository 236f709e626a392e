use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.split_whitespace().collect();
    let byte = |text| u8::from_str_radix(text, 16).expect("two digits");
    digits.into_iter().map(byte).collect()
}

// RFC 7541 appendix C.4.1 and C.4.2.
#[test]
fn the_examples_of_the_rfc() {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let first = bytes("82 86 84 41 8c f1 e3 c2 e5 f2 3a 6b a0 ab 90 f4 ff");
    decoder.decode(&first, &mut out).expect("a good block");
    let expected =
        ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n".to_owned();
    assert_eq!(String::from_utf8_lossy(&out), expected);
    out.clear();
    let second = bytes("82 86 84 be 58 86 a8 eb 10 64 9c bf");
    decoder.decode(&second, &mut out).expect("a good block");
    assert_eq!(
        String::from_utf8_lossy(&out),
        expected + "cache-control: no-cache\n"
    );
    assert_eq!((decoder.table.len(), decoder.size), (2, 110));
}

// RFC 7541 appendix B: every octet, beside every other.
#[test]
fn every_octet_comes_back() {
    let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for octets in all.windows(3).chain([&all[..]]) {
        let (mut code, mut len) = (Vec::new(), 0);
        for &octet in octets {
            let at = HUFFMAN.octets.iter().position(|&o| o == u16::from(octet));
            let at = at.expect("every octet has a code") as u16;
            let size = LENGTHS[usize::from(octet)];
            let (first, begin, _) = HUFFMAN.firsts[usize::from(size)];
            let word = first + u32::from(at - begin);
            for bit in (0..size).rev() {
                if len % 8 == 0 {
                    code.push(0xff);
                }
                if word >> bit & 1 == 0 {
                    code[len / 8] &= !(0x80 >> (len % 8));
                }
                len += 1;
            }
        }
        let mut out = Vec::new();
        HUFFMAN.decode(&code, &mut out).expect("a good string");
        assert_eq!(out, octets);
    }
}

#[test]
fn what_must_not_be_is_found() {
    for block in [
        "80",
        "be",
        "82 20",
        "41 81 00",
        "41 8c f1",
        "7f",
        "41 84 ff ff ff ff",
    ] {
        let result = Decoder::new().decode(&bytes(block), &mut Vec::new());
        assert!(result.is_err(), "{block}");
    }
}
