"""SQL that reads texts: presence, numbers, days, currencies and ids."""

MACROS = r"""
SET TimeZone = 'UTC';
CREATE MACRO trimmed(x) AS trim(x, E' \t\r\n' || chr(160));
CREATE MACRO present(x) AS
  CASE WHEN trimmed(x) NOT IN ('', 'NULL', '\N') THEN trimmed(x) END;

CREATE MACRO bare(x) AS regexp_replace(regexp_replace(x, '[\s\x{a0}\x{202f}''\x{2019}]', '', 'g'),
  '^[^-+(0-9.,]+[.,]?|[^-)0-9.,]+$|[.,]-$', '', 'g');
CREATE MACRO in_front(x) AS list_transform([x], lambda v:
  CASE WHEN v[:1] = '(' AND v[-1:] = ')' THEN '-' || bare(v[2:-2]) WHEN v[-1:] = '-' THEN '-' || v[:-2]
    WHEN v[:1] = '-' THEN '-' || bare(v[2:]) ELSE v END)[1];
CREATE MACRO without_signs(x) AS replace(replace(x, ',', ''), '.', '');
CREATE MACRO with_point(x, decimal_sign) AS list_transform([x], lambda v:
  CASE
    WHEN contains(v, ',') AND contains(v, '.') THEN
      CASE WHEN strpos(reverse(v), ',') < strpos(reverse(v), '.')
        THEN replace(replace(v, '.', ''), ',', '.') ELSE replace(v, ',', '') END
    WHEN length(v) - length(without_signs(v)) > 1 THEN without_signs(v)
    WHEN regexp_matches(v, '^[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}$') AND NOT contains(v, decimal_sign)
      THEN without_signs(v)
    ELSE replace(v, ',', '.')
  END)[1];
CREATE MACRO number(x, decimal_sign) AS
  try_cast(nullif(regexp_extract(with_point(in_front(bare(x)), decimal_sign),
    '^[-+]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)$'), '') AS DECIMAL(24, 6));

CREATE MACRO a_day(x) AS try_cast(regexp_replace(
  regexp_extract(x, '^=((?:\d{4}|\d{2})-\d{1,2}-\d{1,2})$', 1), '^(\d{2}-\d+-\d+)$', '20\1') AS DATE);
CREATE MACRO month_number(name) AS CASE
  WHEN regexp_matches(name, '^(jan|ene|gen)', 'i') THEN '1'
  WHEN regexp_matches(name, '^(feb|f[eé]v)', 'i') THEN '2'
  WHEN regexp_matches(name, '^m[aä]?r', 'i') THEN '3'
  WHEN regexp_matches(name, '^(apr|avr|abr)', 'i') THEN '4'
  WHEN regexp_matches(name, '^(ma[iyg]|mei)', 'i') THEN '5'
  WHEN regexp_matches(name, '^(jun|juin|giu)', 'i') THEN '6'
  WHEN regexp_matches(name, '^(jul|juil|lug)', 'i') THEN '7'
  WHEN regexp_matches(name, '^(aug|ao[uû]|ago)', 'i') THEN '8'
  WHEN regexp_matches(name, '^(sep|set)', 'i') THEN '9'
  WHEN regexp_matches(name, '^o[ckt]t', 'i') THEN '10'
  WHEN regexp_matches(name, '^nov', 'i') THEN '11'
  WHEN regexp_matches(name, '^d[eéi][cz]', 'i') THEN '12'
  ELSE name END;
CREATE MACRO month_numbers(x) AS list_transform([x], lambda day: list_transform([regexp_extract(day, '-(\pL+)-', 1)],
  lambda name: replace(day, '-' || name || '-', '-' || month_number(name) || '-'))[1])[1];
CREATE MACRO named_day(x) AS month_numbers(regexp_replace(regexp_replace(x,
  '^(?:\pL+\W+)?(\d{1,2})[-. ]+(\pL{3,})[-., ]+(\d{4}|\d{2})(?:\D.*)?$', '=\3-\2-\1'),
  '^(?:\pL+\W+)?(\pL{3,})[-. ]+(\d{1,2})(?:st|nd|rd|th)?[-, ]+(\d{4}|\d{2})(?:\D.*)?$', '=\3-\1-\2'));
CREATE MACRO ymd(x) AS a_day(regexp_replace(regexp_replace(named_day(x),
  '^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:\D.*)?$', '=\1-\2-\3'), '^(\d{4})(\d{2})(\d{2})(?:[T ].*)?$', '=\1-\2-\3'));
CREATE MACRO mdy(x) AS coalesce(a_day(regexp_replace(x,
  '^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(?:\D.*)?$', '=\3-\1-\2')), ymd(x));
CREATE MACRO dmy(x) AS coalesce(a_day(regexp_replace(x,
  '^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(?:\D.*)?$', '=\3-\2-\1')), ymd(x));

CREATE MACRO unix(x) AS
  DATE '1970-01-01' + try_cast(regexp_extract(x, '^(1\d{9})(?:\d{3}){0,2}(?:[.]\d+)?$', 1) AS BIGINT)::INT // 86400;
CREATE MACRO excel(x) AS DATE '1899-12-30' + try_cast(regexp_extract(x, '^([34]\d{4})(?:[.]\d+)?$', 1) AS INT);

CREATE MACRO unix_time(x) AS
  TIMESTAMP '1970-01-01' + to_seconds(try_cast(regexp_extract(x, '^(1\d{9})(?:\d{3}){0,2}(?:[.]\d+)?$', 1) AS BIGINT));
CREATE MACRO clock(x) AS
  regexp_extract(x, '(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.]\d+)?\s*([AaPp]?)', ['h', 'm', 's', 'half']);
CREATE MACRO minutes(x) AS
  coalesce(try_cast(clock(x).h AS INT) % CASE WHEN clock(x).half = '' THEN 24 ELSE 12 END * 60
    + CASE WHEN lower(clock(x).half) = 'p' THEN 720 ELSE 0 END + try_cast(clock(x).m AS INT), 0);
CREATE MACRO seconds_of_day(x) AS minutes(x) * 60 + coalesce(try_cast(clock(x).s AS INT), 0);
CREATE MACRO has_offset(x) AS
  regexp_matches(x, ':\d{2}(?:[.]\d+)?\s*[+-]\d{2}:?\d{2}$') AND NOT regexp_matches(x, '[+-]00:?00$');
CREATE MACRO time_in_zone(x, t, zone) AS
  CASE WHEN NOT has_offset(x) AND (contains(x, ':') OR regexp_matches(x, '^1\d{9}'))
    THEN (t AT TIME ZONE 'UTC') AT TIME ZONE zone ELSE t END;
CREATE MACRO in_zone(x, day, zone) AS
  CASE WHEN has_offset(x) OR NOT contains(x, ':') THEN day
    ELSE (((day + to_minutes(minutes(x))) AT TIME ZONE 'UTC') AT TIME ZONE zone)::DATE END;
CREATE MACRO moment(x, day) AS coalesce(
  try_cast(x AS TIMESTAMPTZ), (day + to_minutes(minutes(x))) AT TIME ZONE 'UTC');

CREATE MACRO currency(x) AS
  CASE
    WHEN contains(x, '€') THEN 'EUR' WHEN contains(x, '£') THEN 'GBP' WHEN contains(x, '¥') THEN 'JPY'
    WHEN contains(x, '₹') THEN 'INR' WHEN contains(x, '₽') THEN 'RUB' WHEN contains(x, '₺') THEN 'TRY'
    WHEN contains(x, '₩') THEN 'KRW' WHEN contains(x, 'zł') THEN 'PLN' WHEN contains(x, 'Kč') THEN 'CZK'
    WHEN regexp_matches(x, 'US ?[$]') THEN 'USD' WHEN regexp_matches(x, '(^|[^A-Z])CA? ?[$]') THEN 'CAD'
    WHEN regexp_matches(x, '(^|[^A-Z])AU? ?[$]') THEN 'AUD' WHEN regexp_matches(x, 'NZ ?[$]') THEN 'NZD'
    WHEN regexp_matches(x, 'R[$]') THEN 'BRL' WHEN contains(x, '$') THEN '$'
    WHEN regexp_matches(x, '(^|[^\pL])kr([^\pL]|$)', 'i') THEN 'kr'
    ELSE nullif(regexp_extract(x, '(?:^|[^\pL])([A-Z]{3})(?:[^\pL]|$)', 1), '')
  END;

CREATE MACRO id(x) AS regexp_replace(regexp_replace(present(x), '^''', ''), '^(\d+)[.]0$', '\1');
CREATE MACRO person(x) AS CASE WHEN id(x) LIKE '%@%' THEN regexp_replace(lower(id(x)), '^mailto:', '') ELSE id(x) END;
CREATE MACRO beside_goods(x) AS CASE
  WHEN regexp_matches(x, '^(e-?|digital )?gift ?(card|voucher|certificate)s?($| ?[-$€£(0-9])'
    || '|^(geschenk(gutschein|karte)|carte[- ]cadeau|tarjeta regalo|carta regalo|cadeaubon)', 'i') THEN 'gift_card'
  WHEN regexp_matches(x, '^(tip|gratuity|trinkgeld|pourboire|propina|mancia|fooi)$', 'i') THEN 'fee' END;
CREATE MACRO words(x) AS CASE WHEN regexp_matches(id(x), '^-[0-9]+$') THEN id(x)
  ELSE trim(regexp_replace(lower(id(x)), '[^\pL\pN]+', ' ', 'g')) END;
CREATE MACRO is_nobody(x, nobody) AS words(x) IN list_transform(nobody, lambda name: words(name))
  OR regexp_matches(words(x), '^0*$')
  OR regexp_matches(lower(id(x)), '^(no[-_. ]?(e?-?mail|reply)|none|nobody)@');
"""
"""``number`` takes the last of two different signs as the decimal sign, and a sign that is there twice as one between
thousands. One sign before three digits may be either: it is the decimal sign if it is the export's. A year in front and
a month with its name are read in any order. ``currency`` is a code, or ``$`` and ``kr``, which several countries use.
"""
