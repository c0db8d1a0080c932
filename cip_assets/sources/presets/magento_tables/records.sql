-- A record is an item that was sold. The variant that was chosen, and the parts of a bundle, have it as their parent;
-- the discount of a bundle may stand on its parts. Several dumps of a table may be there: the newest row counts.
WITH sold AS (
  FROM orders
  QUALIFY row_number() OVER (PARTITION BY "entity_id" ORDER BY "updated_at" DESC NULLS LAST, _file DESC) = 1),
item AS (
  SELECT *, number("base_discount_amount", '.')
      - coalesce(number(coalesce("base_discount_tax_compensation_amount", "base_hidden_tax_amount"), '.'), 0)
      AS net_discount
  FROM items QUALIFY row_number() OVER (PARTITION BY "item_id" ORDER BY "updated_at" DESC NULLS LAST, _file DESC) = 1),
part AS (
  SELECT "parent_item_id" AS item_id, sum(net_discount) AS net_discount FROM item WHERE "parent_item_id" IS NOT NULL
  GROUP BY ALL),
memo AS (
  SELECT "order_id", sum(number("base_grand_total", '.')) AS refunded, max("created_at") AS refunded_at
  FROM (FROM memos QUALIFY row_number() OVER (
    PARTITION BY "entity_id" ORDER BY "updated_at" DESC NULLS LAST, _file DESC) = 1)
  WHERE "state" IS DISTINCT FROM '3'  -- a cancelled credit memo
  GROUP BY ALL)
SELECT item._file, item._line, sold."increment_id", sold."customer_email", sold."customer_id", item."sku",
  item."product_id", item."name", item."qty_ordered",
  number(item."base_row_total", '.') - greatest(coalesce(item.net_discount, 0), coalesce(part.net_discount, 0))
    AS line_total,
  -- The order has the sum of its credit memos. Closed is one that was refunded in all.
  coalesce(number(sold."base_total_refunded", '.'), memo.refunded,
    CASE WHEN lower(sold."state") = 'closed' THEN number(sold."base_grand_total", '.') END) AS order_refunded,
  memo.refunded_at,
  number(sold."base_subtotal", '.') + coalesce(number(sold."base_discount_amount", '.'), 0)
    + coalesce(number(sold."base_shipping_discount_amount", '.'), 0)
    + coalesce(number(coalesce(sold."base_discount_tax_compensation_amount", sold."base_hidden_tax_amount"), '.'), 0)
    AS subtotal,
  number(sold."base_shipping_amount", '.') - coalesce(number(sold."base_shipping_discount_amount", '.'), 0) AS shipping,
  sold."base_tax_amount", sold."base_grand_total", sold."base_currency_code", sold."created_at",
  lower(sold."state") AS state, lower(sold."status") AS status
FROM item JOIN sold ON sold."entity_id" = item."order_id" LEFT JOIN part ON part.item_id = item."item_id"
LEFT JOIN memo ON memo."order_id" = sold."entity_id"
WHERE item."parent_item_id" IS NULL
