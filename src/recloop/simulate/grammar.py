"""The words of the synthetic shop: departments, categories, materials, styles, colours, occasions."""

from typing import NamedTuple


class Category(NamedTuple):
    """A category and the words for its items. ``price`` is the median in money."""

    name: str
    department: str
    price: float
    nouns: tuple[str, ...]
    materials: tuple[str, ...]
    uses: tuple[str, ...]
    features: tuple[str, ...]


class Theme(NamedTuple):
    """A style or an occasion: one word for the title, sentences for the description."""

    name: str
    words: tuple[str, ...]
    sentences: tuple[str, ...]


def _category(department: str, name: str, price: float, *words: str) -> Category:
    nouns, materials, uses, features = (tuple(word.split("|")) for word in words)
    return Category(name, department, price, nouns, materials, uses, features)


CATEGORIES: tuple[Category, ...] = (
    _category(
        "Kitchen", "Cookware", 58.0,
        "Frying Pan|Saucepan|Casserole|Wok|Grill Pan",
        "Cast Iron|Stainless Steel|Copper|Carbon Steel|Enamel",
        "searing steaks|slow stews|weeknight stir-fries|simmering sauces",
        "a riveted handle that stays cool|an even heat from rim to rim|a lid that seals in steam|a base for induction",
    ),
    _category(
        "Kitchen", "Kitchen Knives", 46.0,
        "Chef's Knife|Paring Knife|Bread Knife|Santoku|Knife Set",
        "Carbon Steel|Stainless Steel|Damascus Steel|Ceramic",
        "chopping vegetables|slicing crusty bread|peeling fruit|filleting fish",
        "a blade that keeps its edge|a balanced full tang|a handle shaped for long prep sessions|a fitted blade guard",
    ),
    _category(
        "Kitchen", "Coffee and Tea", 34.0,
        "Coffee Grinder|French Press|Teapot|Pour-Over Set|Espresso Cups",
        "Glass|Ceramic|Stainless Steel|Porcelain|Cast Iron",
        "a slow morning brew|loose leaf tea|espresso after lunch|filter coffee for two",
        "a fine mesh filter|a spout that never drips|walls that hold the heat|a grind you can set by the click",
    ),
    _category(
        "Kitchen", "Bakeware", 24.0,
        "Loaf Tin|Muffin Tray|Mixing Bowl|Rolling Pin|Cake Stand",
        "Aluminium|Silicone|Beech Wood|Stoneware|Glass",
        "sourdough on Sundays|birthday cakes|batches of cookies|savoury tarts",
        "a non-stick coating|a wide easy-grip rim|markings for every measure|corners that bake evenly",
    ),
    _category(
        "Living", "Lighting", 72.0,
        "Table Lamp|Floor Lamp|Pendant Light|Wall Sconce|String Lights",
        "Brass|Linen|Rattan|Glass|Steel",
        "reading in the evening|a dim dining table|a dark hallway|a bedside corner",
        "a warm dimmable bulb|a braided cable|a shade that softens glare|a touch switch in the base",
    ),
    _category(
        "Living", "Bedding", 64.0,
        "Duvet Cover|Sheet Set|Pillowcase Pair|Throw Blanket|Quilt",
        "Linen|Cotton|Bamboo|Flannel|Merino Wool",
        "hot summer nights|deep winter sleep|a guest bedroom|long lie-ins",
        "a soft brushed finish|hidden button closures|a weave that breathes|colours that hold in the wash",
    ),
    _category(
        "Living", "Rugs", 110.0,
        "Area Rug|Runner|Doormat|Round Rug|Kilim",
        "Wool|Jute|Cotton|Sisal|Recycled Polyester",
        "a cosy living room|a long corridor|bare wooden floors|the nursery",
        "a dense hand-tufted pile|a backing that does not slip|edges bound by hand|a pattern that hides crumbs",
    ),
    _category(
        "Living", "Candles", 19.0,
        "Scented Candle|Pillar Candle|Candle Holder|Tealight Set|Reed Diffuser",
        "Soy Wax|Beeswax|Glass|Ceramic|Brass",
        "an evening bath|a dinner by candlelight|a calm bedroom|a fresh hallway",
        "notes of cedar and fig|a slow clean burn|a lead-free cotton wick|a scent that fills the room gently",
    ),
    _category(
        "Outdoor", "Tents", 210.0,
        "Two-Person Tent|Family Tent|Tarp Shelter|Bivouac|Dome Tent",
        "Ripstop Nylon|Polyester|Cotton Canvas|Silnylon",
        "alpine nights|festival weekends|camping with children|lightweight bikepacking",
        "poles that snap up in minutes|taped waterproof seams|two roomy porches|vents that stop condensation",
    ),
    _category(
        "Outdoor", "Backpacks", 89.0,
        "Daypack|Trekking Backpack|Rolltop Pack|Hip Pack|Travel Backpack",
        "Recycled Polyester|Ripstop Nylon|Waxed Canvas|Leather",
        "day hikes|carry-on travel|multi-day treks|the bike commute",
        "a padded laptop sleeve|a ventilated back panel|a rain cover in its own pocket|straps that spread the load",
    ),
    _category(
        "Outdoor", "Sleeping Bags", 130.0,
        "Sleeping Bag|Camp Quilt|Sleeping Mat|Camp Pillow|Bag Liner",
        "Goose Down|Recycled Polyester|Merino Wool|Silk",
        "freezing bivouacs|summer hut tours|winter camping|nights in the van",
        "a two-way zip|a hood that draws close|a packed size of one litre|baffles without cold spots",
    ),
    _category(
        "Outdoor", "Hiking Footwear", 125.0,
        "Hiking Boots|Trail Shoes|Approach Shoes|Hiking Sandals|Gaiters",
        "Leather|Suede|Waterproof Mesh|Rubber",
        "rocky ridgelines|muddy forest paths|long-distance trails|wet autumn walks",
        "a grippy lugged sole|ankle support on rough ground|a membrane that keeps feet dry|lacing that locks the heel",
    ),
    _category(
        "Clothing", "Sweaters", 74.0,
        "Crewneck Sweater|Cardigan|Turtleneck|Hoodie|Knitted Vest",
        "Merino Wool|Cotton|Cashmere|Alpaca|Fleece",
        "chilly offices|layering in autumn|evenings by the fire|weekends at home",
        "ribbed cuffs and hem|a relaxed shoulder|a knit that does not itch|seams linked by hand",
    ),
    _category(
        "Clothing", "Jackets", 148.0,
        "Rain Jacket|Parka|Denim Jacket|Down Jacket|Blazer",
        "Waxed Canvas|Recycled Polyester|Denim|Wool|Leather",
        "sudden showers|bitter winter mornings|cycling to work|cool spring evenings",
        "a two-way zip and storm flap|deep lined pockets|a hood that folds away|a cut that leaves room to move",
    ),
    _category(
        "Clothing", "Shirts", 48.0,
        "Oxford Shirt|T-Shirt|Flannel Shirt|Blouse|Polo Shirt",
        "Cotton|Linen|Flannel|Silk|Bamboo",
        "warm office days|summer holidays|smart dinners|everyday wear",
        "mother-of-pearl buttons|a collar that keeps its shape|a fabric that hardly creases|a longer back hem",
    ),
    _category(
        "Clothing", "Scarves and Hats", 32.0,
        "Beanie|Scarf|Sun Hat|Baseball Cap|Gloves",
        "Merino Wool|Cashmere|Straw|Cotton|Fleece",
        "cold bicycle rides|windy beaches|snowy walks|strong summer sun",
        "a snug double-layer knit|a wide shading brim|fringes twisted by hand|a lining that wicks sweat",
    ),
    _category(
        "Accessories", "Handbags", 115.0,
        "Tote Bag|Crossbody Bag|Clutch|Bucket Bag|Weekender",
        "Leather|Suede|Cotton Canvas|Vegan Leather|Raffia",
        "a day in the city|dinner dates|market mornings|a night away",
        "a magnetic inner pocket|a strap in two lengths|an organised lining|hardware that does not tarnish",
    ),
    _category(
        "Accessories", "Wallets and Belts", 42.0,
        "Card Holder|Bifold Wallet|Woven Belt|Dress Belt|Coin Purse",
        "Leather|Vegan Leather|Suede|Cotton Canvas",
        "slim front pockets|formal suits|jeans at the weekend|travelling light",
        "edges burnished by hand|a solid brass buckle|shielding for bank cards|stitching that outlasts the leather",
    ),
    _category(
        "Accessories", "Watches", 165.0,
        "Dive Watch|Field Watch|Dress Watch|Chronograph|Automatic Watch",
        "Stainless Steel|Titanium|Leather|Brass",
        "swimming and diving|the boardroom|daily wear|hikes by the map",
        "glass without scratches|hands that glow at night|a strap changed in seconds|a movement that winds itself",
    ),
    _category(
        "Accessories", "Jewellery", 68.0,
        "Hoop Earrings|Pendant Necklace|Signet Ring|Bracelet|Stud Earrings",
        "Silver|Gold Vermeil|Brass|Freshwater Pearl|Titanium",
        "wedding guests|stacking with other pieces|everyday sparkle|an anniversary",
        "a hand-polished finish|a clasp that stays shut|stones set one by one|posts kind to sensitive skin",
    ),
    _category(
        "Electronics", "Headphones", 138.0,
        "Wireless Headphones|Earbuds|Studio Headphones|Gaming Headset|Sport Earphones",
        "Aluminium|Recycled Plastic|Leather|Titanium",
        "noisy commutes|mixing music|long video calls|late-night gaming",
        "active noise cancelling|forty hours of battery|memory foam cushions|a microphone that cuts out wind",
    ),
    _category(
        "Electronics", "Speakers", 120.0,
        "Bluetooth Speaker|Bookshelf Speaker|Soundbar|Smart Speaker|Portable Radio",
        "Walnut Wood|Aluminium|Recycled Plastic|Steel",
        "parties in the garden|films at home|records on vinyl|the kitchen radio",
        "deep bass from a small box|stereo pairing with a second one|splash-proof sides|a dial that feels right",
    ),
    _category(
        "Electronics", "Keyboards and Mice", 82.0,
        "Mechanical Keyboard|Wireless Mouse|Compact Keyboard|Trackball|Keycap Set",
        "Aluminium|Recycled Plastic|Walnut Wood|Steel",
        "fast typing|competitive gaming|a tidy home office|coding through the night",
        "hot-swappable switches|a battery that lasts a season|quiet keys|lighting you can programme",
    ),
    _category(
        "Electronics", "Chargers and Power", 36.0,
        "Power Bank|Wireless Charger|Wall Charger|Solar Charger|Charging Cable",
        "Aluminium|Recycled Plastic|Braided Nylon|Silicone",
        "long train journeys|a cluttered nightstand|camping off the grid|charging three phones at once",
        "fast charging over USB-C|protection against overheating|a folding plug|a display of the charge left",
    ),
    _category(
        "Sports", "Yoga", 38.0,
        "Yoga Mat|Yoga Block|Meditation Cushion|Stretching Strap|Pilates Ring",
        "Cork|Natural Rubber|Cotton|Buckwheat|Recycled Foam",
        "morning sun salutations|gentle stretching|hot yoga|quiet meditation",
        "a surface that grips when wet|extra cushioning for knees|a carry strap|alignment marks",
    ),
    _category(
        "Sports", "Running", 76.0,
        "Running Shoes|Running Vest|Running Shorts|Hydration Belt|Compression Socks",
        "Recycled Polyester|Waterproof Mesh|Merino Wool|Rubber",
        "marathon training|muddy trail races|easy jogs at dawn|interval sessions",
        "reflective details|a springy midsole|pockets that do not bounce|flat seams that never chafe",
    ),
    _category(
        "Sports", "Cycling", 66.0,
        "Bike Helmet|Bike Light|Pannier|Cycling Jersey|Floor Pump",
        "Aluminium|Recycled Polyester|Carbon Fibre|Leather",
        "gravel adventures|commuting in the rain|long road rides|carrying the shopping",
        "a dial-in fit|a beam that drivers notice|a quick-release mount|a gauge that reads true",
    ),
    _category(
        "Sports", "Strength", 70.0,
        "Kettlebell|Resistance Bands|Adjustable Dumbbell|Pull-Up Bar|Jump Rope",
        "Cast Iron|Natural Rubber|Steel|Leather",
        "workouts at home|building strength|warming up|circuit training",
        "a knurled non-slip grip|a coating that spares the floor|weights that change in seconds|a bag to carry it",
    ),
    _category(
        "Games", "Board Games", 39.0,
        "Strategy Game|Party Game|Card Game|Cooperative Game|Dice Game",
        "Recycled Cardboard|Beech Wood|Linen Card|Resin",
        "long winter evenings|two clever players|a loud group of friends|families with teenagers",
        "rules learned in ten minutes|a different board every time|wooden pieces|rounds under half an hour",
    ),
    _category(
        "Games", "Puzzles", 26.0,
        "Jigsaw Puzzle|Wooden Puzzle|Puzzle Box|Logic Puzzle|3D Puzzle",
        "Recycled Cardboard|Beech Wood|Bamboo|Metal Wire",
        "rainy Sundays|patient minds|a shared coffee table|a break from screens",
        "pieces that click together|artwork by an illustrator|a poster for reference|a twist near the end",
    ),
    _category(
        "Games", "Building Sets", 52.0,
        "Building Blocks|Marble Run|Model Kit|Train Set|Robot Kit",
        "Beech Wood|Recycled Plastic|Metal|Birch Plywood",
        "budding engineers|building with grandparents|a child's birthday|weekend projects",
        "parts that fit other sets|clear picture instructions|gears that really turn|a box to tidy it all away",
    ),
    _category(
        "Games", "Craft Kits", 29.0,
        "Embroidery Kit|Watercolour Set|Pottery Kit|Knitting Kit|Candle-Making Kit",
        "Cotton|Merino Wool|Clay|Soy Wax|Linen",
        "learning a new craft|creative afternoons|calm evenings|making presents by hand",
        "everything in the box|steps explained in pictures|materials for three projects|templates to begin with",
    ),
    _category(
        "Beauty", "Skin Care", 33.0,
        "Face Cream|Vitamin C Serum|Clay Mask|Cleansing Balm|Sun Cream",
        "Shea Butter|Aloe Vera|Jojoba Oil|Oat Extract|Green Tea",
        "dry winter skin|sensitive skin|a bright complexion|tired eyes",
        "a texture that sinks in quickly|no added perfume|a refillable jar|ingredients tested by dermatologists",
    ),
    _category(
        "Beauty", "Hair Care", 22.0,
        "Shampoo Bar|Conditioner|Hair Oil|Styling Paste|Hairbrush",
        "Argan Oil|Coconut Oil|Beech Wood|Aloe Vera|Oat Extract",
        "curly hair|a dry scalp|hair that frizzes|fine flat hair",
        "a lather without sulphates|a light herbal scent|hold that brushes out|packaging without plastic",
    ),
    _category(
        "Beauty", "Fragrance", 78.0,
        "Eau de Parfum|Cologne|Solid Perfume|Body Mist|Perfume Oil",
        "Sandalwood|Bergamot|Vetiver|Jasmine|Amber",
        "special evenings|fresh summer days|the office|a first impression",
        "a trail that lasts till night|a travel-size bottle|notes that change through the day|a hand-blown flacon",
    ),
    _category(
        "Beauty", "Bath", 18.0,
        "Bath Salts|Hand Soap|Body Scrub|Bath Oil|Shower Gel",
        "Sea Salt|Lavender|Olive Oil|Oat Extract|Eucalyptus",
        "sore muscles|a long soak|a quick refreshing shower|soft hands",
        "a spa-like steam|grains that polish gently|a pump bottle to refill|skin that feels smooth for hours",
    ),
    _category(
        "Garden", "Planters", 37.0,
        "Plant Pot|Hanging Planter|Window Box|Raised Bed|Plant Stand",
        "Terracotta|Ceramic|Cedar Wood|Galvanised Steel|Rattan",
        "herbs on the windowsill|tall house plants|a small balcony|tomatoes and salad",
        "a hidden drainage tray|walls that survive frost|a self-watering insert|feet that lift it off the floor",
    ),
    _category(
        "Garden", "Garden Tools", 31.0,
        "Hand Trowel|Pruning Shears|Watering Can|Garden Fork|Garden Gloves",
        "Stainless Steel|Ash Wood|Galvanised Steel|Leather|Copper",
        "planting bulbs|trimming roses|weeding the borders|watering seedlings",
        "a handle that fits the palm|a blade that cuts clean|a rose for fine drops|a loop to hang it up",
    ),
    _category(
        "Garden", "Seeds and Bulbs", 9.0,
        "Wildflower Seeds|Vegetable Seed Set|Tulip Bulbs|Herb Seeds|Chilli Seeds",
        "Organic Seed|Heirloom Seed|Coir|Recycled Cardboard",
        "bees and butterflies|the first vegetable patch|spring colour|a sunny kitchen garden",
        "sowing times on every packet|varieties kept for generations|a high rate of germination|a calendar to follow",
    ),
    _category(
        "Garden", "Outdoor Seating", 155.0,
        "Garden Bench|Hammock|Folding Chair|Deck Chair|Bistro Set",
        "Teak|Acacia Wood|Cotton Canvas|Powder-Coated Steel|Rattan",
        "long summer lunches|afternoon naps|a narrow terrace|watching the sunset",
        "slats shaped to the back|a frame that folds flat|a finish that defies rain|cushions with removable covers",
    ),
)  # fmt: skip

STYLES: tuple[Theme, ...] = tuple(
    Theme(name, tuple(words.split("|")), tuple(sentences.split("|")))
    for name, words, sentences in (
        ("minimalist", "Minimalist|Pure|Simple",
         "Clean lines and nothing superfluous.|A quiet design without ornament.|Reduced to what matters."),
        ("rustic", "Rustic|Farmhouse|Country",
         "Homely as in an old farmhouse.|Each piece shows honest, rustic marks.|Brings country warmth."),
        ("retro", "Retro|Vintage|Mid-Century",
         "A nod to the seventies.|Vintage curves and a mid-century mood.|Looks as if found at a good flea market."),
        ("playful", "Playful|Quirky|Cheerful",
         "A cheerful design that makes you smile.|Full of quirky details.|Fun, loud and never dull."),
        ("luxurious", "Luxe|Opulent|Signature",
         "Indulgent, with a sumptuous finish.|Opulent down to the last detail.|Luxury that you notice at once."),
        ("rugged", "Rugged|Expedition|Heavy-Duty",
         "Built tough for years of hard use.|Rugged enough for the worst weather.|Overbuilt on purpose."),
        ("botanical", "Botanical|Floral|Leafy",
         "Leaves and blossoms drawn from nature.|A floral pattern runs through it.|Inspired by a wild meadow."),
        ("industrial", "Industrial|Workshop|Factory",
         "Raw edges as in an old workshop.|Industrial, with visible joints.|Straight from the factory floor."),
        ("nordic", "Nordic|Hygge|Fjord",
         "Light, calm and Scandinavian at heart.|Nordic cosiness for dark months.|The northern way: warm and plain."),
        ("geometric", "Geometric|Bold|Graphic",
         "Bold shapes and strong contrast.|A graphic pattern of circles and triangles.|Geometry you cannot overlook."),
    )
)  # fmt: skip

OCCASIONS: tuple[Theme, ...] = tuple(
    Theme(name, (), tuple(sentences.split("|")))
    for name, sentences in (
        ("travel", "Packs small and loves to travel.|Made to live out of a suitcase."),
        ("gift", "Comes gift-wrapped, ready for giving.|A present that is hard to get wrong."),
        ("small homes", "Designed for small flats, it needs hardly any room.|Stores flat where space is short."),
        ("family", "Safe around children and easy to clean.|Survives family life with toddlers and pets."),
        ("professionals", "Chosen by professionals who use it all day.|Professional grade, for experts."),
        ("beginners", "A kind start for beginners.|Nothing to learn: made for the first time."),
        ("sustainable", "Made carbon-neutral from traceable sources.|Repairable, recyclable and fairly made."),
        ("everyday", "An everyday companion.|Made for daily use."),
    )
)  # fmt: skip

TIERS: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("budget", 0.55, ("Good value for the money.", "Hard to beat at this price.", "")),
    ("everyday", 1.0, ("", "", "A fair price for solid work.")),
    ("premium", 1.9, ("A premium piece, finished by hand.", "Top of the range, made in small batches.", "")),
)

COLOURS: tuple[str, ...] = (
    *("Forest Green", "Midnight Blue", "Charcoal", "Ivory", "Terracotta Red", "Mustard", "Sage", "Blush Pink"),
    *("Sand", "Black", "Sky Blue", "Plum", "Natural", "Rust", "White", "Olive"),
)

ONSETS = tuple("b,br,c,d,dr,f,fl,g,gr,h,j,k,l,m,n,p,r,s,st,t,tr,v,w".split(","))  # noqa: SIM905
VOWELS = tuple("a,e,i,o,u,ae,ei,ou".split(","))  # noqa: SIM905
MIDDLES = tuple("l,ll,m,n,nd,nn,r,rr,s,ss,st,t,th,v,lv,rm,ld,rn".split(","))  # noqa: SIM905
CODAS = tuple("a,o,en,er,in,um,ia,el,is,wick,more,well,ston,by,vik,ham".split(","))  # noqa: SIM905
HOUSES = ("", "", "", "", " & Co", " Works", " Studio", " Goods", " Supply")
COLOURLESS = frozenset({"Skin Care", "Hair Care", "Fragrance", "Bath", "Seeds and Bulbs", "Board Games", "Puzzles"})
