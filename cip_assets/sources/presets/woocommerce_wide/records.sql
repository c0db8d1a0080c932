-- Each item is a record, from its own columns (Product Item 1 Name), if they are there, else from its text in
-- line_item_1: name:Pen|product_id:32|quantity:1|total:6.30, or Pen (SKU: PN-1) x1 @$6.30 = $6.30. A name may hold a
-- bar. A status alone says that all was given back.
WITH cells AS (
  SELECT _file, _line, regexp_extract(column_name, '\d+') AS place, lower(regexp_extract(column_name, '\w+$')) AS field,
    text
  FROM (UNPIVOT orders ON COLUMNS('^Product Item \d+ (Name|id|SKU|Quantity|Total)$') INTO NAME column_name VALUE text)),
in_columns AS (
  SELECT _file, _line, place, max(text) FILTER (field = 'name') AS name, max(text) FILTER (field = 'id') AS product,
    max(text) FILTER (field = 'sku') AS sku, max(text) FILTER (field = 'quantity') AS quantity,
    max(text) FILTER (field = 'total') AS total
  FROM cells GROUP BY ALL),
in_texts AS (
  SELECT _file, _line, regexp_extract(column_name, '\d+') AS place,
    coalesce(nullif(regexp_extract(text, '^name:(.*?)\|(?:product_id|sku|quantity|total):', 1), ''),
      nullif(regexp_extract(text, '^(.*?)(?: [(]SKU: [^)]*[)])? x\d+ @', 1), '')) AS name,
    nullif(regexp_extract(text, '\|product_id:([^|]*)', 1), '') AS product,
    coalesce(nullif(regexp_extract(text, '\|sku:([^|]*)', 1), ''),
      nullif(regexp_extract(text, '[(]SKU: ([^)]*)[)] x\d+ @', 1), '')) AS sku,
    coalesce(nullif(regexp_extract(text, '\|quantity:([^|]*)', 1), ''),
      nullif(regexp_extract(text, ' x(\d+) @', 1), '')) AS quantity,
    coalesce(nullif(regexp_extract(text, '\|total:([^|]*)', 1), ''),
      nullif(regexp_extract(text, ' @.* = (.*)$', 1), '')) AS total,
    nullif(regexp_extract(text, '\|refunded:([^|]*)', 1), '') AS refunded
  FROM (UNPIVOT orders ON COLUMNS('^line_item_\d+$') INTO NAME column_name VALUE text)),
items AS (
  SELECT _file, _line, place, coalesce(own.name, text.name) AS name, coalesce(own.product, text.product) AS product,
    coalesce(own.sku, text.sku) AS sku, coalesce(own.quantity, text.quantity) AS quantity,
    coalesce(own.total, text.total) AS total, refunded
  FROM in_columns AS own FULL JOIN in_texts AS text USING (_file, _line, place))
SELECT _file, _line, items.* EXCLUDE (_file, _line, place, product),
  CASE WHEN items.product <> '0' THEN items.product END AS product,
  "order_id", "order_date", "order_total", "order_currency", "payment_method", "payment_method_title", "customer_id",
  "customer_user", "customer_email", "billing_email", "tax_total",
  regexp_replace(lower("status"), '^wc-', '') AS status,
  coalesce(
    abs(list_sum(list_transform(regexp_extract_all("refund_items", '(?:^|[|;])amount:(-?[0-9.]+)', 1),
      lambda amount: number(amount, '.')))),
    CASE WHEN regexp_matches(lower("status"), '^(wc-)?refunded$') THEN number("order_total", '.') END)
    AS order_refunded,
  list_max(regexp_extract_all("refund_items", '(?:^|[|;])date:(\d{4}-\d{2}-\d{2})', 1)) AS refunded_at,
  number("order_subtotal", '.') - coalesce(number(coalesce("discount_total", "cart_discount"), '.'), 0) AS subtotal,
  coalesce(number("shipping_total", '.'), 0) + coalesce(number("fee_total", '.'), 0) AS shipping
FROM orders JOIN items USING (_file, _line)
