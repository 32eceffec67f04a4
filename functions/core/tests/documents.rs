//! The distribution document: read strictly, edited without touching another byte, restored to the byte.

use failopen::document::{Document, Edit, EditError, Malformed, NewOrigin, OriginKind, check_edit};
use failopen::id::{Hostname, OriginId, PathPattern};
use proptest::prelude::*;

/// A whole distribution as CloudFront sends it, with elements that no SDK knows.
const RICH: &[u8] = include_bytes!("../../../tests/events/distribution-rich.xml");
const APP: &str = "app & co";

fn rich() -> Document {
    Document::parse(RICH).expect("the sample is a good document")
}

fn pattern(text: &str) -> PathPattern {
    PathPattern::new(text)
}

fn origin(text: &str) -> OriginId {
    OriginId::new(text)
}

fn inspection() -> NewOrigin {
    NewOrigin { id: origin("failopen-www"), domain_name: Hostname::new("cq-origin-www.cq-route.com"), https_port: 8443 }
}

fn add_inspection() -> Edit {
    Edit::AddOrigin { like: origin(APP), origin: inspection() }
}

fn remove_inspection() -> Edit {
    Edit::RemoveOrigin { id: origin("failopen-www") }
}

fn retarget(path_pattern: &str, from: &str, to: &str) -> Edit {
    Edit::Retarget { path_pattern: pattern(path_pattern), from: origin(from), to: origin(to) }
}

fn clone_behavior(serving: &str, path_pattern: &str, target: &str) -> Edit {
    Edit::CloneBehavior { serving: pattern(serving), path_pattern: pattern(path_pattern), target: origin(target) }
}

fn remove_behavior(path_pattern: &str) -> Edit {
    Edit::RemoveBehavior { path_pattern: pattern(path_pattern) }
}

fn edited(document: &Document, edits: &[Edit]) -> Document {
    let after = document.edit(edits).expect("the edits fit the document");
    check_edit(document, &after, edits).expect("an edit passes its own check");
    after
}

fn text(document: &Document) -> &str {
    std::str::from_utf8(document.bytes()).expect("a document is UTF-8")
}

/// A small complete document with these parts in it.
fn small(behaviors: &str, rest: &str) -> String {
    format!(
        "<DistributionConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
         <CallerReference>ref</CallerReference><Origins><Quantity>2</Quantity><Items>{}{}</Items></Origins>\
         <DefaultCacheBehavior><TargetOriginId>a</TargetOriginId><Compress>true</Compress></DefaultCacheBehavior>\
         {behaviors}<Enabled>true</Enabled>{rest}</DistributionConfig>",
        custom("a", ""),
        custom("b", "")
    )
}

fn custom(id: &str, more: &str) -> String {
    format!(
        "<Origin><Id>{id}</Id><DomainName>{id}.example.com</DomainName><CustomOriginConfig><HTTPPort>80</HTTPPort>\
         <HTTPSPort>443</HTTPSPort><OriginProtocolPolicy>https-only</OriginProtocolPolicy></CustomOriginConfig>{more}\
         </Origin>"
    )
}

fn behavior(path_pattern: &str, target: &str) -> String {
    format!(
        "<CacheBehavior><PathPattern>{path_pattern}</PathPattern><TargetOriginId>{target}</TargetOriginId></CacheBehavior>"
    )
}

fn attributes(count: usize) -> String {
    (0..count).map(|n| format!(" a{n}='1'")).collect()
}

fn refusal(document: &str) -> Malformed {
    match Document::parse(document.as_bytes()) {
        Ok(_) => panic!("this must not be read:\n{document}"),
        Err(malformed) => malformed,
    }
}

#[test]
fn a_rich_document_is_read_as_it_is() {
    let document = rich();
    assert_eq!(document.bytes(), RICH);
    assert_eq!(document.caller_reference(), "console-2019-06-14T09:21:44.512Z");
    assert!(document.enabled());
    assert!(!document.staging() && !document.tenant_only() && !document.continuous_deployment());
    assert_eq!(document.aliases(), ["www.cq-route.com", "cq-route.com", "shop.cq-route.com"]);
    assert_eq!(document.origins().len(), 8);
    assert_eq!(document.origin_groups(), [origin("media-with-replica")]);
    assert_eq!(document.behaviors().len(), 21);
    assert_eq!(document.behaviors()[0].path_pattern, pattern("/static/*"));
    assert_eq!(document.behaviors()[20].path_pattern, pattern("*"));
    assert_eq!(document.behaviors()[20].target, origin(APP));
    assert_eq!(document.behavior(&pattern("/beta&preview/*")).expect("there").target, origin("api-eu"));

    let app = document.origin(&origin(APP)).expect("there");
    assert_eq!(app.domain_name, "origin-www.cq-route.com");
    assert_eq!(app.custom_header_names, ["X-Origin-Verify", "X-Tenant"]);
    let expected = OriginKind::Custom { http_port: 80, https_port: 443, protocol_policy: "https-only".to_owned() };
    assert_eq!(app.kind, expected);
    assert_eq!(document.origin(&origin("static-assets")).expect("there").kind, OriginKind::S3);
    assert_eq!(document.origin(&origin("reports-vpc")).expect("there").kind, OriginKind::Vpc);
    assert_eq!(document.origin(&origin("api-eu")).expect("there").path, "/v2");
}

#[test]
fn header_values_are_decoded_and_never_printed() {
    let document = rich();
    let headers = document.custom_headers(&origin(APP));
    assert_eq!(headers[0].0, "X-Origin-Verify");
    assert_eq!(headers[0].1.expose(), "canary-header-5f2b");
    assert_eq!(headers[1].1.expose(), "shop <eu> & \"co\"");
    assert!(document.custom_headers(&origin("nobody")).is_empty());

    let printed = format!("{document:?} {:?}", document.origins());
    assert!(printed.contains("Document") && !printed.contains("canary-header-5f2b"));
}

#[test]
fn a_document_that_was_cut_short_anywhere_is_refused() {
    for end in 0..RICH.len() {
        assert!(Document::parse(&RICH[..end]).is_err(), "the first {end} bytes must not be taken for a whole document");
    }
}

#[test]
fn what_cloudfront_never_sends_is_refused_with_the_reason() {
    let none = small("", "");
    let twice = |list: &str| format!("<CacheBehaviors><Quantity>2</Quantity><Items>{list}</Items></CacheBehaviors>");
    let with = |from: &str, to: &str| refusal(&none.replacen(from, to, 1)).to_string();
    for (said, reason) in [
        (with("<Enabled>true</Enabled>", ""), "Enabled is missing"),
        (with("<Enabled>true", "<Enabled>yes"), "Enabled has"),
        (with("<Enabled>true", "<Enabled><b/>true"), "Enabled has"),
        (with("<Enabled>true", "<Enabled>false</Enabled><Enabled>true"), "Enabled occurs more than once"),
        (with("<CallerReference>ref</CallerReference>", ""), "CallerReference is missing"),
        (with("<CallerReference>ref", "<CallerReference>"), "CallerReference has an empty"),
        (with("<TargetOriginId>a</TargetOriginId>", ""), "TargetOriginId is missing"),
        (
            with("</TargetOriginId>", "</TargetOriginId><TargetOriginId>a</TargetOriginId>"),
            "TargetOriginId occurs more",
        ),
        (with("<TargetOriginId>a", "<TargetOriginId>c"), "targets `c`"),
        (with("<TargetOriginId>a", "<TargetOriginId> a"), "targets ` a`"),
        (with("<Quantity>2", "<Quantity>3"), "says Quantity 3 and holds 2"),
        (with("<Quantity>2", "<Quantity>02"), "Quantity has"),
        (with("<Quantity>2", "<Quantity>"), "Quantity has"),
        (with("<Quantity>2", "<Quantity>+2"), "Quantity has"),
        (with("<Quantity>2", "<Quantity>2<!-- a -->"), "Quantity has"),
        (
            with("</CustomOriginConfig>", "</CustomOriginConfig><VpcOriginConfig/>"),
            "the kind of the origin occurs more",
        ),
        (with("<Quantity>2</Quantity>", ""), "Quantity is missing"),
        (with("<Id>b", "<Id>a"), "two origins or origin groups have the id `a`"),
        (with("<HTTPSPort>443", "<HTTPSPort>70000"), "HTTPSPort has"),
        (with("<Items>", "<Items><Surprise/>"), "holds an item that is not Origin"),
        (with("</Origins>", "</Origins><Origins/>"), "Origins occurs more than once"),
        (
            with("<DistributionConfig", "<!DOCTYPE a [<!ENTITY b \"c\">]><DistributionConfig"),
            "document type definition",
        ),
        (with("<Id>b", "<Id>b&nbsp;"), "unknown entity"),
        (with("<Id>b", "<Id>b&#0;"), "impossible character"),
        (with("<Id>b", "<Id>b&#1;"), "impossible character"),
        (with("<Id>b", "<Id>b&#xFFFE;"), "impossible character"),
        (with("<Id>b", "<Id>b\u{1}"), "not well-formed"),
        (with("<Id>b", "<Id>b]]>"), "not well-formed"),
        (with("<Id>b", "<Id>b<!-- a -- b -->"), "not well-formed"),
        (with("<Id>b", "<Id a='1' a='2'>b"), "not well-formed"),
        (with("<Id>b", "<Id a=1>b"), "not well-formed"),
        (with("<Id>b", "<Id a='<'>b"), "not well-formed"),
        (with("<Id>b", "<Id a='&b;'>b"), "not well-formed"),
        (with("<Id>b", &format!("<Id {}>b", attributes(33))), "not well-formed"),
        (with("<Id>b", "<?1 a?><Id>b"), "not well-formed"),
        (with("<Id>b", "<?XML a?><Id>b"), "not well-formed"),
        (with("<Id>b", "<x:1/><Id>b"), "not well-formed"),
        (with("<Id>b", "<1:x/><Id>b"), "not well-formed"),
        (with("<Id>b</Id>", "<Id>b</iD>"), "not well-formed"),
        (with("<Id>b", "<1/><Id>b"), "not well-formed"),
        (with("<Compress>", "<?xml version='1.0'?><Compress>"), "not well-formed"),
        (refusal(&format!("{none}x<!-- y -->")).to_string(), "outside of the root"),
        (refusal(&format!("{none}x")).to_string(), "before it is complete"),
        (refusal(&format!("{none}{none}")).to_string(), "outside of the root"),
        (refusal(&format!("x{none}")).to_string(), "outside of the root"),
        (refusal(&format!("<![CDATA[x]]>{none}")).to_string(), "outside of the root"),
        (refusal(&none.replace("DistributionConfig", "Distribution")).to_string(), "not DistributionConfig"),
        (refusal("<html><body>503 Service Unavailable</body></html>").to_string(), "not DistributionConfig"),
        (refusal("{}").to_string(), "before it is complete"),
        (refusal("").to_string(), "before it is complete"),
        (refusal(&format!("<?xml version='1.0' encoding='ISO-8859-1'?>{none}")).to_string(), "not well-formed"),
        (refusal(&small(&twice(&behavior("/x", "a").repeat(2)), "")).to_string(), "path pattern `/x`"),
        (refusal(&small(&twice(&(behavior("*", "a") + &behavior("/x", "a"))), "")).to_string(), "path pattern `*`"),
        (refusal(&small(&twice(&behavior("/x", "a")), "")).to_string(), "says Quantity 2 and holds 1"),
        (refusal(&small("", &"<a>".repeat(70))).to_string(), "nested deeper"),
        (refusal(&small("", &" ".repeat(2 * 1024 * 1024))).to_string(), "larger than"),
    ] {
        assert!(said.contains(reason), "said: {said}; wanted: {reason}");
    }
    let not_text = [none.as_bytes(), &[0xff]].concat();
    assert_eq!(Document::parse(&not_text).err(), Some(Malformed::NotUtf8 { at: none.len() }));
}

#[test]
fn what_is_as_large_as_can_be_is_read_and_what_is_larger_by_one_is_refused() {
    const LIMIT: usize = 2_097_152;
    let sized = |bytes: usize| small("", &" ".repeat(bytes - small("", "").len()));
    let nested = |levels: usize| small("", &("<a>".repeat(levels) + &"</a>".repeat(levels)));
    let described = |count: usize| small("", &format!("<a {}/>", attributes(count)));
    for good in [sized(LIMIT), nested(63), described(32)] {
        assert!(Document::parse(good.as_bytes()).is_ok(), "{} bytes", good.len());
    }
    assert_eq!(refusal(&sized(LIMIT + 1)), Malformed::TooLarge { limit: LIMIT });
    assert!(matches!(refusal(&nested(64)), Malformed::TooDeep { limit: 64, .. }), "the root is the first level");
    assert!(matches!(refusal(&described(33)), Malformed::NotWellFormed { .. }));
}

#[test]
fn what_a_distribution_says_of_itself_is_read_both_ways() {
    let read = |enabled: &str, rest: &str| {
        let body = small("", rest).replace("<Enabled>true</Enabled>", &format!("<Enabled>{enabled}</Enabled>"));
        let document = Document::parse(body.as_bytes()).expect("a good document");
        (document.enabled(), document.staging(), document.tenant_only(), document.continuous_deployment())
    };
    assert_eq!(read("true", ""), (true, false, false, false));
    assert_eq!(read("false", "<Staging>true</Staging>"), (false, true, false, false));
    assert_eq!(read("true", "<ConnectionMode> tenant-only </ConnectionMode>"), (true, false, true, false));
    let policy = |id: &str| format!("<ContinuousDeploymentPolicyId>{id}</ContinuousDeploymentPolicyId>");
    assert_eq!(read("true", &policy("p-1")), (true, false, false, true));
    assert_eq!(read("true", &policy(" ")), (true, false, false, false), "an empty one is none");
}

#[test]
fn an_origin_group_is_a_target_and_its_members_must_exist() {
    let group = |id: &str, member: &str, count: u8| {
        format!(
            "<OriginGroups><Quantity>1</Quantity><Items><OriginGroup><Id>{id}</Id><FailoverCriteria><StatusCodes>\
             <Quantity>1</Quantity><Items><StatusCode>500</StatusCode></Items></StatusCodes></FailoverCriteria><Members>\
             <Quantity>{count}</Quantity><Items><OriginGroupMember><OriginId>{member}</OriginId></OriginGroupMember>\
             </Items></Members></OriginGroup></Items></OriginGroups>"
        )
    };
    let good = small("", &group("g", "b", 1)).replacen("<TargetOriginId>a", "<TargetOriginId>g", 1);
    let document = Document::parse(good.as_bytes()).expect("a behaviour may target a group");
    assert_eq!(document.behaviors()[0].target, origin("g"));
    assert_eq!(
        document.edit(&[Edit::RemoveOrigin { id: origin("b") }]).err(),
        Some(EditError::OriginInUse { id: origin("b"), by: "origin group `g`".to_owned() })
    );
    assert!(refusal(&small("", &group("g", "c", 1))).to_string().contains("member `c`"));
    assert!(refusal(&small("", &group("g", "g", 1))).to_string().contains("member `g`"));
    assert!(refusal(&small("", &group("b", "a", 1))).to_string().contains("the id `b`"));
    assert!(refusal(&small("", &group("g", "a", 2))).to_string().contains("Members says Quantity 2"));
}

#[test]
fn every_spelling_of_the_same_text_is_understood() {
    let original = small("", "");
    for (spelling, id) in [
        ("a&amp;b &lt;&gt;&quot;&apos;", "a&b <>\"'"),
        ("<![CDATA[a&b]]>", "a&b"),
        ("a<!-- not this -->b<?nor this?>", "ab"),
        ("&#97;&#x62;\u{e9}\u{1f600}", "ab\u{e9}\u{1f600}"),
        ("a\r\nb", "a\nb"),
        (" a ", " a "),
    ] {
        let spelled = original.replace("<Id>a<", &format!("<Id>{spelling}<"));
        let spelled = spelled.replace("<TargetOriginId>a<", &format!("<TargetOriginId >{spelling}<"));
        let document = Document::parse(spelled.as_bytes()).expect("a good document");
        assert_eq!(document.behaviors()[0].target, origin(id), "{spelling}");
    }
}

#[test]
fn surroundings_that_mean_nothing_are_tolerated_and_kept() {
    let plain = small("", "<Staging> false </Staging><ConnectionMode>tenant-only</ConnectionMode>");
    let prefixed = plain.replace("</", "</cf:").replace('<', "<cf:").replace("<cf:/cf:", "</cf:");
    let prefixed = prefixed.replace("xmlns=", "xmlns:cf=");
    for body in [
        format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n{plain}"),
        format!("<?xml version='1.0' standalone='yes'?><!-- a -->{plain}<!-- b --><?c d?>\r\n"),
        plain.replace("><", ">\r\n\t<"),
        plain.replace("<Staging>", "<Staging a='&lt;b&gt;'>"),
        prefixed,
    ] {
        let document = Document::parse(body.as_bytes()).expect("a good document");
        assert_eq!(document.bytes(), body.as_bytes());
        assert!(document.enabled() && !document.staging() && document.tenant_only());
        let provisioned = edited(
            &document,
            &[Edit::AddOrigin { like: origin("a"), origin: inspection() }, clone_behavior("*", "/x", "b")],
        );
        assert_eq!(provisioned.behaviors().len(), 2);
        let flipped = edited(&provisioned, &[retarget("*", "a", "failopen-www"), retarget("/x", "b", "failopen-www")]);
        assert_eq!(flipped.behaviors()[1].target, origin("failopen-www"));
    }
}

#[test]
fn a_retarget_changes_one_text_and_back_restores_every_byte() {
    let document = rich();
    for serving in document.behaviors() {
        let (from, to) = (serving.target.as_str(), "partner's feed");
        let away = [retarget(serving.path_pattern.as_str(), from, to)];
        let moved = edited(&document, &away);
        assert_eq!(moved.behavior(&serving.path_pattern).expect("still there").target, origin(to));

        let spelled = |id: &str| id.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let tag = match serving.path_pattern.is_default() {
            true => "<DefaultCacheBehavior>".to_owned(),
            false => format!("<PathPattern>{}</PathPattern>", spelled(serving.path_pattern.as_str())),
        };
        let old = format!("{tag}<TargetOriginId>{}</TargetOriginId>", spelled(from));
        let new = format!("{tag}<TargetOriginId>{}</TargetOriginId>", spelled(to));
        assert_eq!(text(&document).matches(&old).count(), 1, "{old}");
        assert_eq!(text(&moved), text(&document).replace(&old, &new));
        let back = edited(&moved, &[retarget(serving.path_pattern.as_str(), to, from)]);
        assert_eq!(back.bytes(), RICH);
    }
}

#[test]
fn an_added_origin_takes_what_the_application_relies_on_and_is_quick_to_give_up() {
    let document = rich();
    let with_origin = edited(&document, &[add_inspection()]);
    let added = with_origin.origin(&origin("failopen-www")).expect("added");
    let app = with_origin.origin(&origin(APP)).expect("still there");
    assert_eq!(added.domain_name, "cq-origin-www.cq-route.com");
    assert_eq!(added.custom_header_names, app.custom_header_names);
    assert!(with_origin.custom_headers(&added.id) == with_origin.custom_headers(&app.id));
    let expected = OriginKind::Custom { http_port: 80, https_port: 8443, protocol_policy: "https-only".to_owned() };
    assert_eq!(added.kind, expected);
    assert_eq!(with_origin.origins().last(), Some(added));

    let raw = text(&with_origin);
    let raw =
        &raw[raw.find("<Id>failopen-www</Id>").expect("its id")..raw.find("</Items></Origins>").expect("the end")];
    for kept in [
        "<OriginReadTimeout>45</OriginReadTimeout>",
        "<SslProtocol>TLSv1.2</SslProtocol>",
        "<FutureOriginFeature><Mode>strict</Mode><Flags/></FutureOriginFeature>",
        "<OriginKeepaliveTimeout>5</OriginKeepaliveTimeout>",
        "<ConnectionAttempts>2</ConnectionAttempts><ConnectionTimeout>3</ConnectionTimeout>",
    ] {
        assert!(raw.contains(kept), "{kept}");
    }
    assert_eq!(edited(&with_origin, &[remove_inspection()]).bytes(), RICH);
}

#[test]
fn settings_that_the_model_lacks_are_added_where_the_schema_wants_them() {
    for (more, expected) in [
        (
            "",
            "</CustomOriginConfig><ConnectionAttempts>2</ConnectionAttempts><ConnectionTimeout>3</ConnectionTimeout></Origin>",
        ),
        (
            "<ConnectionTimeout>10</ConnectionTimeout><OriginShield/>",
            "</CustomOriginConfig><ConnectionAttempts>2</ConnectionAttempts><ConnectionTimeout>3</ConnectionTimeout><OriginShield/>",
        ),
        (
            "<ConnectionAttempts/><OriginShield/>",
            "</CustomOriginConfig><ConnectionAttempts>2</ConnectionAttempts><ConnectionTimeout>3</ConnectionTimeout><OriginShield/>",
        ),
    ] {
        let body = small("", "").replace(&custom("a", ""), &custom("a", more));
        let document = Document::parse(body.as_bytes()).expect("a good document");
        let after = edited(&document, &[Edit::AddOrigin { like: origin("a"), origin: inspection() }]);
        assert!(text(&after).contains(expected), "{}", text(&after));
        assert_eq!(edited(&after, &[remove_inspection()]).bytes(), body.as_bytes());
    }
}

#[test]
fn a_shorter_keep_alive_time_stays_what_it_is() {
    let keepalive = "<OriginKeepaliveTimeout>3</OriginKeepaliveTimeout>";
    let body = small("", "").replace("</CustomOriginConfig>", &format!("{keepalive}</CustomOriginConfig>"));
    let document = Document::parse(body.as_bytes()).expect("a good document");
    let after = edited(&document, &[Edit::AddOrigin { like: origin("a"), origin: inspection() }]);
    assert_eq!(text(&after).matches(keepalive).count(), 3);
}

#[test]
fn whatever_a_pattern_or_id_holds_is_written_so_that_it_is_read_the_same() {
    let odd = "/<a>&'\"]]>&amp;\r\n\t \u{e9}/*";
    let new = NewOrigin { id: origin(odd), ..inspection() };
    let edits = [Edit::AddOrigin { like: origin(APP), origin: new }, clone_behavior("*", odd, odd)];
    let after = edited(&rich(), &edits);
    assert_eq!(after.behaviors()[20].path_pattern, pattern(odd));
    assert_eq!(after.behaviors()[20].target, origin(odd));
}

#[test]
fn a_host_name_moves_only_from_what_it_is() {
    let document = rich();
    let rename = |from: &str, to: &str| Edit::SetOriginDomain { id: origin(APP), from: from.into(), to: to.into() };
    let renamed = edited(&document, &[rename("origin-www.cq-route.com", "new.example.com")]);
    assert_eq!(renamed.origin(&origin(APP)).expect("there").domain_name, "new.example.com");
    assert_eq!(edited(&renamed, &[rename("new.example.com", "origin-www.cq-route.com")]).bytes(), RICH);
    let error = document.edit(&[rename("other.example.com", "new.example.com")]).expect_err("another name");
    assert!(matches!(error, EditError::NotAsExpected { .. }));
}

#[test]
fn a_port_moves_only_from_what_it_is_and_nothing_else_moves_with_it() {
    let document = rich();
    let port = |id: &str, from, to| Edit::SetOriginPort { id: origin(id), from, to };
    let moved = edited(&document, &[port(APP, 443, 8443)]);
    let kind = &moved.origin(&origin(APP)).expect("there").kind;
    assert!(matches!(kind, OriginKind::Custom { https_port: 8443, .. }), "{kind:?}");
    assert_eq!(edited(&moved, &[port(APP, 8443, 443)]).bytes(), RICH);
    let error = document.edit(&[port(APP, 8443, 443)]).expect_err("another port");
    assert!(matches!(error, EditError::NotAsExpected { .. }), "{error}");
    assert!(matches!(document.edit(&[port("nowhere", 443, 80)]), Err(EditError::UnknownOrigin(_))));
    assert!(matches!(document.edit(&[port("reports-vpc", 443, 80)]), Err(EditError::NotCustom(_))));
    for (before, after) in [("<HTTPSPort>8443", "<HTTPSPort>8444"), ("<HTTPPort>80", "<HTTPPort>81")] {
        let strayed = text(&moved).replacen(before, after, 1);
        assert_ne!(strayed, text(&moved), "{before} is not in the sample");
        let strayed = Document::parse(strayed.as_bytes()).expect("a good document");
        assert!(check_edit(&document, &strayed, &[port(APP, 443, 8443)]).is_err(), "{before} to {after} must be found");
    }
    let both = [add_inspection(), port("failopen-www", 8443, 9443)];
    let added = edited(&document, &both);
    let kind = &added.origin(&origin("failopen-www")).expect("added").kind;
    assert!(matches!(kind, OriginKind::Custom { https_port: 9443, .. }), "{kind:?}");
}

#[test]
fn a_cloned_behavior_stands_directly_above_the_one_that_served_its_paths() {
    let document = rich();
    let edits = [add_inspection(), clone_behavior("/api/*", "/api/v2/*", "failopen-www")];
    let after = edited(&document, &edits);
    let at = after.behaviors().iter().position(|b| b.path_pattern == pattern("/api/v2/*")).expect("added");
    assert_eq!(after.behaviors()[at].target, origin("failopen-www"));
    assert_eq!(after.behaviors()[at + 1].path_pattern, pattern("/api/*"));
    let function = "normalize-api</FunctionARN>";
    assert_eq!(text(&after).matches(function).count(), 2, "the clone keeps the function");
    assert_eq!(edited(&after, &[remove_behavior("/api/v2/*"), remove_inspection()]).bytes(), RICH);
}

#[test]
fn a_clone_of_the_default_behavior_goes_last_and_keeps_its_content() {
    let document = rich();
    let after = edited(&document, &[clone_behavior("*", "/new & old/*", "api-eu")]);
    let at = after.behaviors().len() - 2;
    assert_eq!(after.behaviors()[at].path_pattern, pattern("/new & old/*"));
    let start = "<CacheBehavior><PathPattern>/new &amp; old/*</PathPattern><TargetOriginId>api-eu</TargetOriginId>";
    assert!(text(&after).contains(start));
    assert_eq!(text(&after).matches("redirect-apex</FunctionARN>").count(), 2);
    assert_eq!(edited(&after, &[remove_behavior("/new & old/*")]).bytes(), RICH);
}

#[test]
fn a_first_behavior_is_added_to_every_form_of_an_empty_list() {
    let bare = small("<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>", "");
    for list in [
        "<CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>",
        "<CacheBehaviors><Quantity>0</Quantity><Items/></CacheBehaviors>",
        "<CacheBehaviors><Quantity>0</Quantity><Items></Items></CacheBehaviors>",
        "",
    ] {
        let body = small(list, "");
        let document = Document::parse(body.as_bytes()).expect("a good document");
        let after = edited(&document, &[clone_behavior("*", "/x", "b")]);
        assert_eq!(after.behaviors()[0].path_pattern, pattern("/x"));
        let second = edited(&after, &[clone_behavior("*", "/y", "b")]);
        assert_eq!(second.behaviors()[1].path_pattern, pattern("/y"));
        let gone = edited(&second, &[remove_behavior("/x"), remove_behavior("/y")]);
        assert_eq!(text(&gone), bare, "an empty list is left in CloudFront's own form");
    }
    let noted = small("<CacheBehaviors><Quantity>0</Quantity><Items><!-- none --></Items></CacheBehaviors>", "");
    let document = Document::parse(noted.as_bytes()).expect("a good document");
    let after = edited(&document, &[clone_behavior("*", "/x", "b")]);
    assert_eq!(text(&edited(&after, &[remove_behavior("/x")])), noted, "somebody's comment is kept");
}

#[test]
fn attributes_of_a_list_outlive_its_last_behavior() {
    for items in ["<Items a='1'/>", "<Items a='1'></Items>"] {
        let body = small(&format!("<CacheBehaviors><Quantity>0</Quantity>{items}</CacheBehaviors>"), "");
        let document = Document::parse(body.as_bytes()).expect("a good document");
        let after = edited(&document, &[clone_behavior("*", "/x", "b")]);
        let gone = edited(&after, &[remove_behavior("/x")]);
        assert_eq!(text(&gone), body.replace(items, "<Items a='1'></Items>"));
    }
}

#[test]
fn the_white_space_of_a_pretty_document_is_followed_and_restored() {
    let list = format!("<CacheBehaviors><Quantity>1</Quantity><Items>{}</Items></CacheBehaviors>", behavior("/x", "b"));
    for (list, clone_of) in [
        (list.as_str(), "/x"),
        (list.as_str(), "*"),
        ("<CacheBehaviors><Quantity> 0\n</Quantity></CacheBehaviors>", "*"),
    ] {
        let body = small(list, "").replace("><", ">\r\n  <");
        let document = Document::parse(body.as_bytes()).expect("a good document");
        let add = Edit::AddOrigin { like: origin("b"), origin: inspection() };
        let after = edited(&document, &[add, clone_behavior(clone_of, "/y", "failopen-www")]);
        let clone = "<CacheBehavior>\r\n  <PathPattern>/y</PathPattern>\r\n  <TargetOriginId>failopen-www<";
        assert!(text(&after).contains(clone));
        let gone = edited(&after, &[remove_behavior("/y"), remove_inspection()]);
        assert_eq!(text(&gone), body);
    }
}

#[test]
fn an_edit_that_does_not_fit_is_refused_by_name() {
    let document = rich();
    for (edit, said) in [
        (retarget("*", "api-eu", "static-assets"), "target of behaviour `*` is `app & co`, not `api-eu`"),
        (retarget("*", APP, "nobody"), "no origin `nobody`"),
        (retarget("/nowhere/*", APP, "api-eu"), "path pattern `/nowhere/*`"),
        (Edit::RemoveOrigin { id: origin(APP) }, "`app & co` is still used by behaviour `/api/v1/*`"),
        (Edit::RemoveOrigin { id: origin("media-bucket-replica") }, "origin group `media-with-replica`"),
        (Edit::RemoveOrigin { id: origin("nobody") }, "no origin `nobody`"),
        (
            Edit::AddOrigin { like: origin("static-assets"), origin: inspection() },
            "`static-assets` is not a custom origin",
        ),
        (Edit::AddOrigin { like: origin("reports-vpc"), origin: inspection() }, "`reports-vpc` is not a custom origin"),
        (Edit::AddOrigin { like: origin("nobody"), origin: inspection() }, "no origin `nobody`"),
        (
            Edit::AddOrigin {
                like: origin(APP),
                origin: NewOrigin { id: origin("media-with-replica"), ..inspection() },
            },
            "has an origin or origin group `media-with-replica` already",
        ),
        (clone_behavior("*", "/api/*", APP), "a behaviour with the path pattern `/api/*` already"),
        (clone_behavior("*", "api/*", APP), "a behaviour with the path pattern `api/*` already"),
        (clone_behavior("/nowhere", "/x", APP), "path pattern `/nowhere`"),
        (clone_behavior("*", "/x", "nobody"), "no origin `nobody`"),
        (clone_behavior("*", "/\u{1}", APP), "would be unusable"),
        (clone_behavior("*", "", APP), "would be unusable"),
        (remove_behavior("*"), "default behaviour cannot be removed"),
        (remove_behavior("api/*"), "path pattern `api/*`"),
    ] {
        let error = document.edit(std::slice::from_ref(&edit)).expect_err("must not be possible").to_string();
        assert!(error.contains(said), "said: {error}; wanted: {said}");
    }
}

#[test]
fn a_target_with_a_comment_in_it_is_read_and_not_edited() {
    for kept in ["<!-- do not touch -->", "<?do not touch?>"] {
        let body = small("", "").replacen("<TargetOriginId>a", &format!("<TargetOriginId>a{kept}"), 1);
        let document = Document::parse(body.as_bytes()).expect("a good document");
        assert_eq!(document.behaviors()[0].target, origin("a"));
        assert!(matches!(document.edit(&[retarget("*", "a", "b")]), Err(EditError::NotPlain { .. })));
        let cloned = edited(&document, &[clone_behavior("*", "/x", "b")]);
        assert_eq!(text(&cloned).matches(kept).count(), 1, "a clone has a target of its own");
    }
}

#[test]
fn edits_are_made_in_order_and_all_or_none() {
    let document = rich();
    let early = [remove_inspection(), add_inspection()];
    assert_eq!(document.edit(&early).err(), Some(EditError::UnknownOrigin(origin("failopen-www"))));
    let provision = [
        add_inspection(),
        retarget("*", APP, "failopen-www"),
        retarget("/api/*", APP, "failopen-www"),
        clone_behavior("/account/*", "/account/login", "failopen-www"),
    ];
    let provisioned = edited(&document, &provision);
    let in_use = provisioned.edit(&[remove_inspection()]).expect_err("still used");
    assert!(matches!(in_use, EditError::OriginInUse { .. }));
    let delete = [
        retarget("*", "failopen-www", APP),
        retarget("/api/*", "failopen-www", APP),
        remove_behavior("/account/login"),
        remove_inspection(),
    ];
    assert_eq!(edited(&provisioned, &delete).bytes(), RICH);
}

#[test]
fn a_pattern_is_served_by_its_own_behavior_or_the_first_that_covers_it() {
    let document = rich();
    for (asked, served_by) in [
        ("*", "*"),
        ("/static/*", "/static/*"),
        ("static/*", "/static/*"),
        ("/static/app/*", "/static/*"),
        ("/api/v1/users/*", "/api/v1/*"),
        ("/api/v2/*", "/api/*"),
        ("/api*", "*"),
        ("/media/private/*", "/media/private/*"),
        ("/media/private/films/*", "/media/*"),
        ("/legacy-search/x", "/legacy-search/?"),
        ("/legacy-search/xy", "*"),
        ("/Static/*", "*"),
    ] {
        assert_eq!(document.serving(&pattern(asked)).path_pattern, pattern(served_by), "{asked}");
    }
}

#[test]
fn the_content_hash_sees_every_change_but_the_target() {
    let document = rich();
    let hash = |document: &Document| document.content_hash(&pattern("/api/*")).expect("there");
    let before = hash(&document);
    assert_eq!(before.len(), 64);
    assert_eq!(hash(&edited(&document, &[retarget("/api/*", APP, "api-eu")])), before);
    let touched = text(&document).replace("normalize-api<", "normalize-api2<");
    assert_ne!(hash(&Document::parse(touched.as_bytes()).expect("a good document")), before);
    assert_eq!(document.content_hash(&pattern("/nowhere")), None);
}

#[test]
fn the_check_finds_every_change_that_was_not_planned() {
    let document = rich();
    let edits =
        [add_inspection(), clone_behavior("/api/*", "/api/v2/*", "failopen-www"), retarget("*", APP, "failopen-www")];
    let after = edited(&document, &edits);
    assert!(matches!(check_edit(&document, &after, &[]), Err(EditError::Strayed { .. })));
    assert!(matches!(check_edit(&document, &after, &edits[..2]), Err(EditError::Strayed { .. })));
    assert!(matches!(check_edit(&document, &document, &edits), Err(EditError::Strayed { .. })));
    for (from, to) in [
        ("<Comment>Shop", "<Comment>shop"),
        ("<FutureFeature>", "<FutureFeature a=\"b\">"),
        ("<Reserved/>", ""),
        ("<CacheBehaviors>", "<CacheBehaviors a=\"b\">"),
        ("<CacheBehaviors>", "<CacheBehaviors>x"),
        ("<Enabled>true</Enabled><ViewerCertificate>", "<Enabled>false</Enabled><ViewerCertificate>"),
        ("<TargetOriginId>api-eu", "<TargetOriginId>reports-vpc"),
        ("<DomainName>api-eu.example.com", "<DomainName>api-us.example.com"),
        ("canary-header-5f2b-api", "canary-header-5f2b-apj"),
        ("<DomainName>cq-origin-www", "<DomainName>cq-origin-w3"),
        ("<HTTPSPort>8443", "<HTTPSPort>8444"),
        ("<ConnectionAttempts>2", "<ConnectionAttempts>3"),
        ("<KeyGroup>b3a6d3a2", "<KeyGroup>b3a6d3a3"),
        ("<TargetOriginId>failopen-www", "<TargetOriginId>failopen-www<!-- x -->"),
        ("<PathPattern>/api/v2/*", "<PathPattern>/api/v3/*"),
        ("<CacheBehavior><PathPattern>/api/v2/*", "<CacheBehavior a=\"b\"><PathPattern>/api/v2/*"),
        ("</DistributionConfig>", "</DistributionConfig>\n"),
    ] {
        let strayed = text(&after).replacen(from, to, 1);
        assert_ne!(strayed, text(&after), "{from} is not in the sample");
        let strayed = Document::parse(strayed.as_bytes()).expect("a good document");
        assert!(check_edit(&document, &strayed, &edits).is_err(), "{from} to {to} must be found");
    }
}

#[test]
fn of_a_list_that_says_something_itself_the_check_minds_all_but_the_behaviors() {
    let list =
        format!("<CacheBehaviors a='1'><Quantity>1</Quantity><Items>{}</Items></CacheBehaviors>", behavior("/x", "b"));
    let document = Document::parse(small(&list, "").as_bytes()).expect("a good document");
    let edits = [clone_behavior("/x", "/y", "a")];
    let after = edited(&document, &edits);
    for between in ["<!-- kept by somebody -->", "<?tool x?>"] {
        let strayed = text(&after)
            .replace("</CacheBehavior><CacheBehavior>", &format!("</CacheBehavior>{between}<CacheBehavior>"));
        let strayed = Document::parse(strayed.as_bytes()).expect("a good document");
        assert!(check_edit(&document, &strayed, &edits).is_err(), "{between}");
    }
    let without = edited(&document, &[remove_behavior("/x")]);
    assert!(
        text(&without).contains("<CacheBehaviors a='1'><Quantity>0</Quantity></CacheBehaviors>"),
        "{}",
        text(&without)
    );
}

#[test]
fn the_check_does_not_mind_the_order_of_origins_once_one_was_added() {
    let document = rich();
    let after = edited(&document, &[add_inspection()]);
    let raw = text(&after);
    let start = raw.find("<Origin><Id>failopen-www").expect("added last");
    let end = raw.find("</Items></Origins>").expect("the end of the list");
    let first = raw.find("<Origin><Id>").expect("the first origin");
    let reordered = [&raw[..first], &raw[start..end], &raw[first..start], &raw[end..]].concat();
    let reordered = Document::parse(reordered.as_bytes()).expect("a good document");
    check_edit(&document, &reordered, &[add_inspection()]).expect("the order of origins means nothing");
    assert!(check_edit(&after, &reordered, &[]).is_err(), "a flip has no reason to see another order");
}

#[test]
fn a_megabyte_with_250_behaviors_is_edited_in_one_go() {
    let filler = format!("<Padding>{}</Padding>", "x".repeat(4000));
    let behaviors: String = (0..250)
        .map(|n| behavior(&format!("/{n}/*"), "b").replace("</CacheBehavior>", &format!("{filler}</CacheBehavior>")))
        .collect();
    let list = format!("<CacheBehaviors><Quantity>250</Quantity><Items>{behaviors}</Items></CacheBehaviors>");
    let body = small(&list, "");
    assert!(body.len() > 1_000_000);
    let document = Document::parse(body.as_bytes()).expect("a good document");
    let after = edited(&document, &[retarget("*", "a", "b"), retarget("/249/*", "b", "a")]);
    assert_eq!(edited(&after, &[retarget("/249/*", "a", "b"), retarget("*", "b", "a")]).bytes(), body.as_bytes());
}

/// How one generated document is written. What it says follows from the numbers.
#[derive(Clone, Debug)]
struct Style {
    prefix: &'static str,
    head: &'static str,
    tail: &'static str,
    /// Put between elements in turn.
    noise: Vec<&'static str>,
    /// Put between the items of lists in turn, where another element would be refused.
    quiet: Vec<&'static str>,
    /// Spelling of the ids of the origins, which is used for the targets, too.
    ids: Vec<&'static str>,
    /// Index of each behaviour's target; the last one is the default behaviour's.
    targets: Vec<usize>,
}

const NOISE: [&str; 8] = [
    "",
    "\n  ",
    "\r\n\t",
    "<!-- a & b <x> -->",
    "<?tool <x> ?>",
    "<Unknown a='1' b=\"x&amp;>y\"><Enabled>maybe</Enabled><TargetOriginId/><Items/></Unknown>",
    "<x:New xmlns:x=\"urn:x\">t<![CDATA[<z>]]>&#x41;</x:New >",
    "<Empty />\n",
];
const QUIET: [&str; 5] = ["", "\n    ", "\r\n", "<!-- c -->", "<?p?>\n"];
const IDS: [&str; 6] = ["app", "a &amp; b", "&lt;c&gt;", "<![CDATA[d & e]]>", "f&#38;g", " h \u{e9}"];

impl Style {
    fn write(&self) -> String {
        let (mut noise, mut quiet) = (self.noise.iter().cycle(), self.quiet.iter().cycle());
        let mut n = || *noise.next().expect("never empty");
        let mut q = || *quiet.next().expect("never empty");
        let p = self.prefix;
        let el = |name: &str, content: &str| format!("<{p}{name}>{content}</{p}{name}>");
        let mut origins = String::new();
        for (at, id) in self.ids.iter().enumerate() {
            let ports =
                el("HTTPPort", "80") + n() + &el("HTTPSPort", "443") + n() + &el("OriginProtocolPolicy", "https-only");
            let more = if at % 2 == 0 { el("OriginKeepaliveTimeout", "60") } else { String::new() };
            let config = el("CustomOriginConfig", &(ports + n() + &more));
            let header = el("HeaderName", "X") + n() + &el("HeaderValue", "v&amp;w");
            let headers =
                el("Quantity", "1") + n() + &el("Items", &(q().to_owned() + &el("OriginCustomHeader", &header)));
            let parts = [
                n(),
                &el("Id", id),
                n(),
                &el("DomainName", &format!("o{at}.example.com")),
                n(),
                &el("CustomHeaders", &headers),
                n(),
                &config,
                n(),
            ];
            origins += &(q().to_owned() + &el("Origin", &parts.concat()));
        }
        origins += q();
        let (default, others) = self.targets.split_last().expect("at least the default behaviour");
        let mut behaviors = String::new();
        for (at, target) in others.iter().enumerate() {
            let pattern = el("PathPattern", &format!("/p{at} &amp; q/*"));
            let parts = [n(), &pattern, n(), &el("TargetOriginId", self.ids[*target]), n()];
            behaviors += &(q().to_owned() + &el("CacheBehavior", &parts.concat()));
        }
        let items = if others.is_empty() { String::new() } else { n().to_owned() + &el("Items", &(behaviors + q())) };
        let parts = [
            n(),
            &el("CallerReference", "ref"),
            n(),
            &el(
                "Origins",
                &[n(), &el("Quantity", &self.ids.len().to_string()), n(), &el("Items", &origins), n()].concat(),
            ),
            n(),
            &el("DefaultCacheBehavior", &[n(), &el("TargetOriginId", self.ids[*default]), n()].concat()),
            n(),
            &el("CacheBehaviors", &(n().to_owned() + &el("Quantity", &others.len().to_string()) + &items + n())),
            n(),
            &el("Enabled", " true\n"),
            n(),
        ];
        let xmlns = if p.is_empty() { "xmlns=\"urn:cf\"" } else { "xmlns:cf='urn:cf'" };
        format!("{}<{p}DistributionConfig {xmlns}>{}</{p}DistributionConfig>{}", self.head, parts.concat(), self.tail)
    }
}

prop_compose! {
    fn styles()(origins in 1..IDS.len())(
        prefix in prop::sample::select(vec!["", "cf:"]),
        head in prop::sample::select(vec!["", "\u{feff}", "<?xml version=\"1.0\"?>\r\n", "\u{feff}<?xml version='1.0' encoding='UTF-8'?><!-- h -->"]),
        tail in prop::sample::select(vec!["", "\r\n", "<!-- t --><?end?>"]),
        noise in prop::collection::vec(prop::sample::select(NOISE.to_vec()), 1..12),
        quiet in prop::collection::vec(prop::sample::select(QUIET.to_vec()), 1..5),
        targets in prop::collection::vec(0..origins, 1..5),
        ids in Just(IDS[..origins].to_vec()),
    ) -> Style {
        Style { prefix, head, tail, noise, quiet, ids, targets }
    }
}

/// An edit that fits the document, and the one that takes it back.
fn edit_and_reverse(document: &Document, kind: u8, first: usize, second: usize, serial: usize) -> (Edit, Edit) {
    let behavior = &document.behaviors()[first % document.behaviors().len()];
    let other = &document.origins()[second % document.origins().len()];
    let host = |text: &str| Hostname::new(text);
    match kind {
        0 => {
            let id = origin(&format!("failopen-{serial} & co"));
            let new = NewOrigin { id: id.clone(), domain_name: host("record.example.com"), https_port: 8443 };
            (Edit::AddOrigin { like: other.id.clone(), origin: new }, Edit::RemoveOrigin { id })
        }
        1 => {
            let path_pattern = pattern(&format!("/clone{serial} <&>/?"));
            let (serving, target) = (behavior.path_pattern.clone(), other.id.clone());
            let clone = Edit::CloneBehavior { serving, path_pattern: path_pattern.clone(), target };
            (clone, Edit::RemoveBehavior { path_pattern })
        }
        4 => {
            let OriginKind::Custom { https_port: from, .. } = other.kind else { panic!("a custom origin") };
            let (id, to) = (other.id.clone(), 9443);
            let back = Edit::SetOriginPort { id: id.clone(), from: to, to: from };
            (Edit::SetOriginPort { id, from, to }, back)
        }
        2 => {
            let (id, from, to) = (other.id.clone(), host(&other.domain_name), host("moved.example.com"));
            let back = Edit::SetOriginDomain { id: id.clone(), from: to.clone(), to: from.clone() };
            (Edit::SetOriginDomain { id, from, to }, back)
        }
        _ => {
            let (path_pattern, from, to) = (behavior.path_pattern.clone(), behavior.target.clone(), other.id.clone());
            let back = Edit::Retarget { path_pattern: path_pattern.clone(), from: to.clone(), to: from.clone() };
            (Edit::Retarget { path_pattern, from, to }, back)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_edits_taken_back_in_reverse_order_restore_every_byte(
        style in styles(),
        steps in prop::collection::vec((0..5_u8, 0..100_usize, 0..100_usize), 1..8),
    ) {
        let body = style.write();
        let original = Document::parse(body.as_bytes()).expect("a generated document is good");
        let (mut document, mut edits, mut reverses) = (original.clone(), Vec::new(), Vec::new());
        for (serial, (kind, first, second)) in steps.into_iter().enumerate() {
            let (edit, reverse) = edit_and_reverse(&document, kind, first, second, serial);
            document = edited(&document, std::slice::from_ref(&edit));
            edits.push(edit);
            reverses.insert(0, reverse);
        }
        let at_once = edited(&original, &edits);
        prop_assert_eq!(at_once.bytes(), document.bytes());
        let back = edited(&document, &reverses);
        prop_assert_eq!(text(&back), body);
    }

    #[test]
    fn a_retarget_of_any_document_differs_in_the_text_of_one_target(style in styles(), at in 0..100_usize, to in 0..100_usize) {
        let body = style.write();
        let document = Document::parse(body.as_bytes()).expect("a generated document is good");
        let (edit, _) = edit_and_reverse(&document, 3, at, to, 0);
        let Edit::Retarget { path_pattern, from, to } = &edit else { unreachable!("kind 3 is a retarget") };
        let after = edited(&document, std::slice::from_ref(&edit));
        // The spelling of both ids in this document tells exactly which bytes may differ.
        let spelled = |id: &OriginId| {
            let at = document.origins().iter().position(|origin| origin.id == *id).expect("an origin");
            format!("TargetOriginId>{}</", style.ids[at])
        };
        let behavior = document.behaviors().iter().position(|behavior| behavior.path_pattern == *path_pattern).expect("there");
        // The default behaviour, last in order of precedence, is first in the document.
        let nth = (behavior + 1) % document.behaviors().len();
        let open = format!("<{}TargetOriginId>", style.prefix);
        let start = body.match_indices(&open).nth(nth).expect("its target").0;
        let expected = body[..start].to_owned() + &body[start..].replacen(&spelled(from), &spelled(to), 1);
        prop_assert_eq!(text(&after), expected);
    }

    #[test]
    fn no_byte_of_any_document_can_be_lost_unnoticed(style in styles(), position in 0.0..1.0_f64, count in 1..40_usize) {
        let body = style.write();
        let document = Document::parse(body.as_bytes()).expect("a generated document is good");
        let start = (position * body.len() as f64) as usize;
        let end = (start + count).min(body.len());
        let damaged = [&body.as_bytes()[..start], &body.as_bytes()[end..]].concat();
        if damaged != body.as_bytes() && let Ok(damaged) = Document::parse(&damaged) {
            prop_assert!(check_edit(&document, &damaged, &[]).is_err());
        }
    }

    #[test]
    fn no_bytes_make_reading_or_editing_panic(
        start in 0..RICH.len(),
        junk in prop::collection::vec(any::<u8>(), 0..40),
        alone in prop::collection::vec(prop::sample::select(b"<>/!?-[]&;#xml:=\"' aCDATA".to_vec()), 0..60),
    ) {
        let end = (start + junk.len()).min(RICH.len());
        let damaged = [&RICH[..start], &junk, &RICH[end..]].concat();
        if let Ok(document) = Document::parse(&damaged) {
            let _ = document.edit(&[add_inspection(), clone_behavior("*", "/x", "failopen-www")]);
        }
        prop_assert!(Document::parse(&junk).is_err());
        prop_assert!(Document::parse(&alone).is_err());
        let inside = [&RICH[..start], &alone, &RICH[start..]].concat();
        if let Ok(document) = Document::parse(&inside) {
            let _ = document.edit(&[retarget("*", APP, "api-eu")]);
            let _ = check_edit(&document, &rich(), &[add_inspection()]);
        }
    }
}
