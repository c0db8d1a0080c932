-- Each line item of an order is a record. Money was given back by the refund transactions that succeeded. Objects that
-- have no discounts of the lines have them on the order only.
WITH items AS (
  SELECT *, unnest(from_json("line_items", '["JSON"]')) AS item,
    contains("line_items", '"discount_allocations"') AS has_allocations,
    flatten(list_transform(from_json("refunds", '["JSON"]'), lambda refund:
      list_transform(from_json(refund -> '$.transactions', '["JSON"]'), lambda paid: {
        'amount': number(paid ->> '$.amount', '.'), 'at': refund ->> '$.created_at',
        'is_refund': paid ->> '$.kind' = 'refund' AND paid ->> '$.status' = 'success'}))) AS paid
  FROM orders),
priced AS (
  SELECT *, number(item ->> '$.quantity', '.') * number(item ->> '$.price', '.') AS line_amount,
    CASE WHEN item ->> '$.gift_card' = 'true' THEN 'gift_card' ELSE beside_goods(item ->> '$.title') END AS beside
  FROM items)
SELECT _file, _line, _line AS _record, coalesce("name", "id") AS order_id, "customer.email" AS customer_email,
  coalesce("email", "contact_email") AS email, "customer.id" AS customer_id, item ->> '$.sku' AS sku,
  item ->> '$.product_id' AS product, coalesce(item ->> '$.title', item ->> '$.name') AS title,
  item ->> '$.quantity' AS quantity, item ->> '$.price' AS price,
  list_sum(list_transform(from_json(item -> '$.discount_allocations', '["JSON"]'),
    lambda part: number(part ->> '$.amount', '.'))) AS discount,
  CASE WHEN NOT has_allocations THEN "total_discounts" END AS order_discount,
  CASE WHEN "refunds" IS NOT NULL
      THEN list_sum(list_transform(list_filter(paid, lambda part: part.is_refund), lambda part: part.amount))::TEXT
    WHEN "financial_status" = 'refunded' THEN "total_price"
    WHEN "financial_status" = 'partially_refunded' THEN 'unknown' END AS order_refunded,
  list_max(list_transform(list_filter(paid, lambda part: part.is_refund), lambda part: part.at)) AS refunded_at,
  beside,
  number("subtotal_price", '.') - coalesce(sum(line_amount) FILTER (beside IS NOT NULL) OVER whole, 0) AS subtotal,
  number("total_shipping_price_set.shop_money.amount", '.')
    + coalesce(sum(line_amount) FILTER (beside IS NOT NULL) OVER whole, 0) AS shipping,
  "total_tax" AS tax,
  "total_price" AS charged, "currency" AS currency, coalesce("gateway", "payment_gateway_names") AS payment_method,
  "created_at" AS created_at, "updated_at" AS updated_at, "cancelled_at" AS cancelled_at, "test" AS test,
  "financial_status" AS status
FROM priced
WINDOW whole AS (PARTITION BY _file, _line)
