-- A refund of the order is counted without the tax of the items that it names, as the goods are. It may cover shipping,
-- or name no item. A status alone says that all was given back.
WITH amounts AS (
  SELECT *, number("item_refunded", '.') AS back,
    coalesce(number("item_total_tax", '.') / nullif(number("item_total", '.'), 0), 0) AS tax_rate,
    coalesce("refunds", "refund_items") AS all_refunds
  FROM items),
orders AS (
  SELECT *, coalesce(sum(back) OVER whole, 0) AS refunded_items,
    coalesce(
      number("refunded_total", '.'),
      abs(list_sum(list_transform(regexp_extract_all(all_refunds, '(?:^|[|;])amount:(-?[0-9.]+)', 1),
        lambda amount: number(amount, '.')))))
      - coalesce(round(sum(back * tax_rate) OVER whole, 2), 0) AS refunded_in_all
  FROM amounts WINDOW whole AS (PARTITION BY _file, "order_id"))
SELECT _file, _line, "order_id", "order_date", "date", "order_total", "order_currency", "payment_method",
  "payment_method_title", "customer_id", "customer_user", "customer_email", "billing_email", "item_name",
  "item_quantity", "item_total", "item_refunded", "tax_total", regexp_replace(lower("status"), '^wc-', '') AS status,
  CASE WHEN "item_product_id" <> '0' THEN "item_product_id" END AS item_product_id,
  CASE WHEN "item_sku" <> 'unknown_product' THEN "item_sku" END AS item_sku,
  CASE WHEN coalesce(greatest(refunded_in_all, refunded_items), 0) > 0 THEN greatest(refunded_in_all, refunded_items)
    WHEN regexp_matches(lower("status"), '^(wc-)?refunded$') THEN number("order_total", '.') END AS order_refunded,
  list_max(regexp_extract_all(all_refunds, '(?:^|[|;])date:(\d{4}-\d{2}-\d{2})', 1)) AS refunded_at,
  number("order_subtotal", '.') - coalesce(number(coalesce("discount_total", "cart_discount"), '.'), 0) AS subtotal,
  coalesce(number("shipping_total", '.'), 0) + coalesce(number("fee_total", '.'), 0) AS shipping
FROM orders
