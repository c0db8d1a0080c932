-- A line item is joined with its order, which stands anywhere in the same file. Other children have no quantity and no
-- price. Without discounts of the lines, the subtotal says what was taken off the order.
WITH orders AS (FROM objects WHERE "id" LIKE 'gid://shopify/Order/%'),
items AS (
  SELECT *,
    CASE WHEN "isGiftCard" = 'true' THEN 'gift_card' ELSE beside_goods(coalesce("title", "name")) END AS beside,
    coalesce(
      number("quantity", '.') * number(coalesce("originalUnitPriceSet.shopMoney.amount", "originalUnitPrice"), '.'),
      number("originalTotalSet.shopMoney.amount", '.')) AS line_amount,
    list_sum(list_transform(from_json("discountAllocations", '["JSON"]'),
      lambda part: number(part ->> '$.allocatedAmountSet.shopMoney.amount', '.'))) AS line_discount
  FROM objects WHERE "id" LIKE 'gid://shopify/LineItem/%')
SELECT items._file, items._line, coalesce(orders."name", orders."id") AS order_id,
  orders."email" AS email,
  coalesce(orders."customer.email", orders."customer.defaultEmailAddress.emailAddress") AS customer_email,
  orders."customer.id" AS customer_id, items."sku" AS sku, coalesce(items."title", items."name") AS title,
  items."quantity" AS quantity, line_amount - coalesce(line_discount, 0) AS line_total,
  CASE WHEN count(items."discountAllocations") OVER whole = 0
    THEN greatest(sum(line_amount) OVER whole - number(orders."subtotalPriceSet.shopMoney.amount", '.'), 0) END
    AS order_discount,
  coalesce(orders."totalRefundedSet.shopMoney.amount",
    list_sum(list_transform(from_json(orders."refunds", '["JSON"]'),
      lambda refund: number(refund ->> '$.totalRefundedSet.shopMoney.amount', '.')))::TEXT,
    CASE upper(orders."displayFinancialStatus") WHEN 'REFUNDED' THEN orders."totalPriceSet.shopMoney.amount"
      WHEN 'PARTIALLY_REFUNDED' THEN 'unknown' END) AS order_refunded,
  list_max(list_transform(from_json(orders."refunds", '["JSON"]'), lambda refund: refund ->> '$.createdAt'))
    AS refunded_at,
  beside,
  number(orders."subtotalPriceSet.shopMoney.amount", '.')
    - coalesce(sum(line_amount) FILTER (beside IS NOT NULL) OVER whole, 0) AS subtotal,
  number(orders."totalShippingPriceSet.shopMoney.amount", '.')
    + coalesce(sum(line_amount) FILTER (beside IS NOT NULL) OVER whole, 0) AS shipping,
  orders."totalTaxSet.shopMoney.amount" AS tax, orders."totalPriceSet.shopMoney.amount" AS charged,
  coalesce(orders."totalPriceSet.shopMoney.currencyCode", orders."subtotalPriceSet.shopMoney.currencyCode",
    orders."currencyCode") AS currency,
  orders."createdAt" AS created_at, orders."updatedAt" AS updated_at, orders."cancelledAt" AS cancelled_at,
  orders."test" AS test, upper(orders."displayFinancialStatus") AS status
FROM items JOIN orders ON orders."id" = items."__parentId" AND orders._file = items._file
WINDOW whole AS (PARTITION BY orders._file, orders._line)
