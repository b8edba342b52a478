use super::breaches;

fn ids(text: &str) -> Vec<&'static str> {
    match breaches(text) {
        Ok(found) => found.into_iter().map(|(rule, _, _)| rule.id).collect(),
        Err(_) => vec!["template/syntax"],
    }
}

fn refused(text: &str, rule: &str) {
    assert!(ids(text).contains(&rule), "{text}: {:?}", ids(text));
}

#[test]
fn templates_in_the_manner_of_well_known_models_have_no_findings() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/templates");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jinja") {
            let found = breaches(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert!(found.is_empty(), "{}: {found:?}", path.display());
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn ways_out_of_a_template_are_closed() {
    for (text, rule) in [
        ("{{ cycler.__init__.__globals__.os.popen('x').read() }}", "template/attribute"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "template/attribute"),
        ("{{ messages['__class__'] }}", "template/index"),
        ("{{ messages['\\x5f\\x5fclass__'] }}", "template/index"),
        ("{{ messages['\\137_class__'] }}", "template/index"),
        ("{{ messages['_' ~ '_class__'] }}", "template/index"),
        ("{{ messages['_' + '_class__'] }}", "template/index"),
        ("{{ messages['ssalc'|reverse] }}", "template/index"),
        ("{{ messages[['a','b']|join] }}", "template/index"),
        ("{% set k = '__class__' %}{{ messages[k] }}", "template/index"),
        ("{% set k %}__class__{% endset %}{{ messages[k] }}", "template/index"),
        ("{% set k = 'a' %}{% set k = k ~ 'b' %}{{ messages[k] }}", "template/index"),
        ("{% for k in ['__class__'] %}{{ messages[k] }}{% endfor %}", "template/index"),
        (
            "{% set d = {'__class__': 1} %}{% for k in d %}{% set d = messages %}{{ d[k] }}{% endfor %}",
            "template/index",
        ),
        ("{{ messages[messages[0].content] }}", "template/index"),
        ("{% macro m(k) %}{{ messages[k] }}{% endmacro %}{{ m('__class__') }}", "template/index"),
        ("{% set ns = namespace(k=1) %}{% set ns.k = '__class__' %}{{ messages[ns.k] }}", "template/index"),
        ("{{ messages|attr('__class__') }}", "template/filter"),
        ("{{ messages|map(attribute='__class__')|list }}", "template/filter"),
        ("{{ messages|map(attribute='a.__class__')|list }}", "template/filter"),
        ("{{ messages|map(attribute=x)|list }}", "template/filter"),
        ("{{ messages|map('attr', '__class__')|list }}", "template/filter"),
        ("{{ messages|map(x)|list }}", "template/filter"),
        ("{{ messages|map('map', attribute='__class__')|list }}", "template/filter"),
        ("{{ messages|selectattr('__class__')|list }}", "template/filter"),
        ("{{ messages|sort(attribute='__class__') }}", "template/filter"),
        ("{{ messages|sort(false, false, k) }}", "template/filter"),
        ("{{ messages|groupby('__class__') }}", "template/filter"),
        ("{{ '{0.__class__}'.format(messages) }}", "template/call"),
        ("{{ '{0.__class__}'|format(messages) }}", "template/filter"),
        ("{{ messages.append(1) }}", "template/call"),
        ("{{ os.system('x') }}", "template/call"),
        ("{{ x['system']('x') }}", "template/call"),
        ("{{ (x if y else z)('x') }}", "template/call"),
        ("{{ lipsum() }}", "template/call"),
        ("{{ lipsum }}", "template/name"),
        ("{{ self.x }}", "template/name"),
        ("{{ joiner }}", "template/name"),
        ("{{ range.x }}", "template/name"),
        ("{{ __builtins__ }}", "template/name"),
        ("{{ dict(__class__=1) }}", "template/name"),
        ("{{ (messages|map('upper')).gi_frame.f_builtins }}", "template/attribute"),
        ("{{ (messages|map('upper'))['gi_frame'] }}", "template/index"),
        ("{% include 'x' %}", "template/tag"),
        ("{% import 'x' as y %}", "template/tag"),
        ("{% from 'x' import y %}", "template/tag"),
        ("{% extends 'x' %}", "template/tag"),
        ("{% block x %}{% endblock %}", "template/tag"),
        ("{% for x in y recursive %}{{ loop(x) }}{% endfor %}", "template/tag"),
        ("{% for x in y %}{{ loop.__class__ }}{% endfor %}", "template/attribute"),
        ("{{ x is eval }}", "template/filter"),
        ("{{ x | eval }}", "template/filter"),
        ("{% filter eval %}x{% endfilter %}", "template/filter"),
        ("{% call(x) evil() %}x{% endcall %}", "template/call"),
        ("{{ 'a' if x else y.__z__ }}", "template/attribute"),
        ("{% if x.__y__ %}{% endif %}", "template/attribute"),
        ("{# x #}{{- x.__y__ -}}", "template/attribute"),
        ("{% raw %}{{ a }}{% endraw %}{{ x.__y__ }}", "template/attribute"),
        ("{{ {'a': {'b': x.__y__}} }}", "template/attribute"),
        ("{{ x[y.__z__:] }}", "template/attribute"),
        ("{{ \"}}\" ~ x.__y__ }}", "template/attribute"),
        ("{% set x = y.__z__ %}", "template/attribute"),
        ("{% macro m(a=x.__y__) %}{% endmacro %}", "template/attribute"),
        ("{{ x(", "template/syntax"),
        ("{% if x %}", "template/syntax"),
        ("{{ x ? y }}", "template/syntax"),
        ("{{ 'a }}", "template/syntax"),
    ] {
        refused(text, rule);
    }
}

#[test]
fn work_and_output_are_bounded() {
    let chain: String = (0..60).map(|i| format!("{{% set v{} = v{i} ~ v{i} %}}", i + 1)).collect();
    let macros: String = (0..60)
        .map(|i| format!("{{% macro m{}() %}}{{{{ m{i}() }}}}{{{{ m{i}() }}}}{{% endmacro %}}", i + 1))
        .collect();
    let nested = |over: &str, depth: usize| {
        format!("{}x{}", format!("{{% for a in {over} %}}").repeat(depth), "{% endfor %}".repeat(depth))
    };
    for text in [
        nested("range(10**9)", 2),
        nested("range(1000000)", 1),
        nested("range(99999)", 4),
        nested("range(n)", 1),
        nested("messages", 20),
        nested("[1,2,3,4,5,6,7,8,9,10,11,12]", 12),
        nested("range(messages|length * 1000000)", 1),
        "{{ 'a' * 10**9 }}".to_owned(),
        "{{ 'a' * 1000000 }}".to_owned(),
        "{{ [0] * 99999999 }}".to_owned(),
        "{{ 9 ** 9 ** 9 }}".to_owned(),
        "{{ 99999999999999999999999999 }}".to_owned(),
        "{{ '%999999999d' % 1 }}".to_owned(),
        "{% set f = '%999999999d' %}{{ f % 1 }}".to_owned(),
        "{{ x|indent(999999999) }}".to_owned(),
        format!("{{% set v0 = 'aaaaaaaaaaaaaaaa' %}}{chain}{{{{ v60 }}}}"),
        format!("{{% macro m0() %}}x{{% endmacro %}}{macros}{{{{ m60() }}}}"),
        "{% set ns = namespace(s='a') %}{% for m in messages %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}".to_owned(),
        "{% set ns = namespace(a='a', b='b') %}{% for m in messages %}{% set ns.a = ns.b ~ ns.b %}{% set ns.b = ns.a %}{% endfor %}{{ ns.a }}".to_owned(),
        "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}".to_owned(),
        "{% macro m(x) %}{{ m(x ~ 'a') }}{% endmacro %}{{ m('') }}".to_owned(),
    ] {
        refused(&text, "template/size");
    }
    refused(&("{{ ".to_owned() + &"(".repeat(100_000)), "template/syntax");
    refused(&("{{ ".to_owned() + &"(".repeat(1000) + &")".repeat(1000) + " }}"), "template/syntax");
    refused(&("{{ ".to_owned() + &"not ".repeat(1000) + "x }}"), "template/syntax");
}

#[test]
fn ordinary_constructs_have_no_findings() {
    for text in [
        "",
        "no tags",
        "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] | trim + '<|im_end|>\\n' }}{% endfor %}",
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}",
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('x') }}{% endif %}{% endfor %}",
        "{{ messages[loop.index0 - 1].role }}",
        "{% for m in messages[::-1] %}{% set index = (messages|length - 1) - loop.index0 %}{{ messages[index].role }}{% endfor %}",
        "{% set ns = namespace(i=0) %}{% for m in messages %}{% set ns.i = ns.i + 1 %}{{ messages[ns.i].role }}{% endfor %}",
        "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}",
        "{% for k, v in args.items() %}{{ k }}={{ args[k] | tojson }}{% endfor %}",
        "{% for k in d %}{{ d[k] }}{% endfor %}{% for k in d.keys() %}{{ d[k] }}{% endfor %}",
        "{% macro m(d) %}{% for k in d %}{{ d[k] }}{% endfor %}{% endmacro %}{{ m(tool.function) }}",
        "{% set key = 'role' %}{{ message[key] }}",
        "{% set _args = tc.arguments %}{% for k, v in _args.items() %}{{ k }}{% endfor %}",
        "{% for i in range(0, 3) %}{{ i }}{% endfor %}{% for i in range(messages|length) %}{{ messages[i] }}{% endfor %}",
        "{{ '=' * 40 }}{{ x | map(attribute='name') | join(', ') }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
        "{% macro r(s) %}{% if s.type == 'array' %}{{ r(s['items']) }}{% endif %}{% for p in s.properties %}{{ r(p) }}{% endfor %}{% endmacro %}{{ r(tool) }}",
        "{% set c = m.content.split('</think>')[-1].lstrip('\\n') %}{% set c = c.split('x')[0].rstrip() %}{{ c }}",
        "{% set ns.s = ns.s ~ '\\n\\n' ~ m.content %}{{ ns.s }}",
        "{% generation %}{{ x }}{% endgeneration %}{% break %}",
        "{%- set x -%}text{%- endset -%}{{ x }}{% filter trim %} a {% endfilter %}{% with a = 1 %}{{ a }}{% endwith %}",
        "{{ a.0 }}{{ a is not none and b is string or c is in [1,2] }}{{ x is divisibleby 2 }}{{ -1|abs }}{{ 1.5e3 }}",
        "{% raw %}{{ x.__class__ }}{% endraw %}{# {{ x.__class__ }} #}",
    ] {
        assert_eq!(ids(text), Vec::<&str>::new(), "{text}");
    }
}
